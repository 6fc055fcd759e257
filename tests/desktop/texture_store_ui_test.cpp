// Which pictures are uploaded when, and which are deleted.
#include "ui/desktop/widgets/texture_store.h"

#include <gtest/gtest.h>

namespace dorabooth::texture_store_ui_test {
namespace {

std::shared_ptr<const Image> picture(int width, int height) {
  return std::make_shared<const Image>(width, height);
}

TEST(TextureStore, APictureIsUploadedOnceAndSeenInTheNextFrame) {
  NullTextureStore store;
  const auto image = picture(8, 4);
  EXPECT_EQ(store.show("a", image).id, 0u);
  store.end_frame();
  EXPECT_TRUE(store.pending());
  const Texture texture = store.show("a", image);
  EXPECT_NE(texture.id, 0u);
  EXPECT_EQ(texture.width, 8);
  EXPECT_EQ(texture.height, 4);
  store.end_frame();
  EXPECT_FALSE(store.pending());
  EXPECT_EQ(store.uploads, 1);
}

TEST(TextureStore, ANewPictureOfTheSameSizeReusesTheTexture) {
  NullTextureStore store;
  store.show("a", picture(8, 8));
  store.end_frame();
  const auto second = picture(8, 8);
  const TextureId id = store.show("a", second).id;
  store.end_frame();
  EXPECT_EQ(store.show("a", second).id, id);
  const auto larger = picture(16, 8);
  store.show("a", larger);
  store.end_frame();
  EXPECT_NE(store.show("a", larger).id, id);
  EXPECT_EQ(store.alive, 1);
  EXPECT_EQ(store.uploads, 3);
}

TEST(TextureStore, AFrameUploadsNoMoreThanItsBudgetAndAtLeastOne) {
  NullTextureStore store;
  const auto large = picture(3000, 2000);   // 18 MB
  const auto medium = picture(2000, 1000);  // 6 MB
  store.show("a", large);
  store.show("b", medium);
  store.show("c", medium);
  store.show("d", medium);
  store.end_frame();
  EXPECT_EQ(store.uploads, 1);
  EXPECT_TRUE(store.pending());
  store.end_frame();
  EXPECT_EQ(store.uploads, 3);
  store.end_frame();
  EXPECT_EQ(store.uploads, 4);
  store.end_frame();
  EXPECT_FALSE(store.pending());
}

TEST(TextureStore, WhatNoViewAsksForIsDeleted) {
  NullTextureStore store;
  const auto image = picture(8, 8);
  store.show("a", image);
  store.show("b", image);
  for (int i = 0; i <= TextureStore::kFramesUnused; ++i) {
    store.show("a", image);
    store.end_frame();
  }
  EXPECT_EQ(store.size(), 1u);
  EXPECT_EQ(store.alive, 1);
}

}  // namespace
}  // namespace dorabooth::texture_store_ui_test

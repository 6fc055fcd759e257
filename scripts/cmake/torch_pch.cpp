// Gives the shared precompiled torch/torch.h a target to live in.

// Gives the shared precompiled torch headers a target to live in.

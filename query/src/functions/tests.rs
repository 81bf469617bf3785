//! Kernels over whole series against those over single windows, and facts from upstream.

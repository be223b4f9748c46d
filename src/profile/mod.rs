//! Floor 2: the interop profile, one value for every choice that the public sources leave open.

//! Device configuration files: TLVs, hash, encryption.

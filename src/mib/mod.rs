//! Floor 0: object identifiers by name, module and MIB dialect.

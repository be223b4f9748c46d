//! Floor 3: what to do next for a device; state machines without I/O.

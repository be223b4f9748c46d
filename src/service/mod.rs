//! Floor 4: sockets and timers.

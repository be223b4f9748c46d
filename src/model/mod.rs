//! Floor 2: devices, attempts, steps and policy.

//! Interoperability with Kerberos software that shares no code with Hardline. There is nothing here but tests: each file
//! of `tests/` names its judge.
#![forbid(unsafe_code)]

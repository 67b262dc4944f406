//! The service from outside: each test starts one of its own, on a database of its own.

mod frame;

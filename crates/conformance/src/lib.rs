//! What the tests of every crate share; a development dependency only.
//!
//! * [`child`]: runs the body of a test in a process of its own and looks at how that ended.

pub mod child;

//! The attribute on a struct.

#[procession_macros::shared]
struct Maths;

fn main() {}

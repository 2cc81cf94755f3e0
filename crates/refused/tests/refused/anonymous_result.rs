//! A result of a type without a name.

struct Maths;

#[procession_macros::shared]
impl Maths {
    pub fn shown(&self) -> impl std::fmt::Display {
        1
    }
}

fn main() {}

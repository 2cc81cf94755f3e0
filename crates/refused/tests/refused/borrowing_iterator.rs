//! An iterator over what the object has.

struct Maths;

#[procession_macros::shared]
impl Maths {
    pub fn words(&self) -> impl Iterator<Item = &str> {
        ["a"].into_iter()
    }
}

fn main() {}

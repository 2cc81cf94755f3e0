//! A reference inside a result.

struct Maths;

#[procession_macros::shared]
impl Maths {
    pub fn first(&self) -> Option<&str> {
        None
    }
}

fn main() {}

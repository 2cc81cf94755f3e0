//! A reference as the result.

struct Maths;

#[procession_macros::shared]
impl Maths {
    pub fn first(&self) -> &str {
        ""
    }
}

fn main() {}

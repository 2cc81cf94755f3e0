//! An option that the attribute does not have.

struct Maths;

#[procession_macros::shared(parallel)]
impl Maths {
    pub fn one(&self) {}
}

fn main() {}

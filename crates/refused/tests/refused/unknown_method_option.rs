//! An option that no method has.

struct Maths;

#[procession_macros::shared]
impl Maths {
    #[shared(lock = "leave")]
    pub fn one(&self) {}
}

fn main() {}

//! A method that uses the object up.

struct Maths;

#[procession_macros::shared]
impl Maths {
    pub fn take(self) {}
}

fn main() {}

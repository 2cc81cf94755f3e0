//! A change of an object that several threads use at once.

struct Maths;

#[procession_macros::shared(concurrent)]
impl Maths {
    pub fn shift(&mut self) {}
}

fn main() {}

//! An object that borrows.

struct Maths<'a>(&'a str);

#[procession_macros::shared]
impl<'a> Maths<'a> {
    pub fn one(&self) {}
}

fn main() {}

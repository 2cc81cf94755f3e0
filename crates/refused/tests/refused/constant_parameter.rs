//! A method with a constant parameter.

struct Maths;

#[procession_macros::shared]
impl Maths {
    pub fn sum<const N: usize>(&self, numbers: [u8; N]) -> u8 {
        numbers[0]
    }
}

fn main() {}

//! An argument that is to be changed.

struct Maths;

#[procession_macros::shared]
impl Maths {
    pub fn grow(&self, by: &mut u8) {
        *by += 1;
    }
}

fn main() {}

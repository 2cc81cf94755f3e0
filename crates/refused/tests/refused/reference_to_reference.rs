//! A reference to a reference.

struct Maths;

#[procession_macros::shared]
impl Maths {
    pub fn show(&self, word: &&str) {
        let _ = word;
    }
}

fn main() {}

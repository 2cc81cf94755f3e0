//! References inside an argument.

struct Maths;

#[procession_macros::shared]
impl Maths {
    pub fn all(&self, words: Vec<&str>) {
        drop(words);
    }
}

fn main() {}

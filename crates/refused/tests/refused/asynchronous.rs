//! A method that is a future.

struct Maths;

#[procession_macros::shared]
impl Maths {
    pub async fn later(&self) {}
}

fn main() {}

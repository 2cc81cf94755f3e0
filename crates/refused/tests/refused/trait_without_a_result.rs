//! A trait whose method cannot fail.

struct Maths;

trait Double {
    fn double(&self, x: i64) -> i64;
}

#[procession_macros::shared]
impl Double for Maths {
    fn double(&self, x: i64) -> i64 {
        2 * x
    }
}

fn main() {}

//! A trait with a method that needs no object.

struct Maths;

trait Make {
    fn make() -> anyhow::Result<u8>;
}

#[procession_macros::shared]
impl Make for Maths {
    fn make() -> anyhow::Result<u8> {
        Ok(1)
    }
}

fn main() {}

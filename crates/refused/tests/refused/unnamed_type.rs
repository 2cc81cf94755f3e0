//! An object of a type without a name.

trait Double {
    fn double(&self) -> anyhow::Result<i64>;
}

#[procession_macros::shared]
impl Double for (i64, i64) {
    fn double(&self) -> anyhow::Result<i64> {
        Ok(2 * self.0)
    }
}

fn main() {}

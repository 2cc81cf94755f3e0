//! An argument of a type without a name.

struct Maths;

#[procession_macros::shared]
impl Maths {
    pub fn print(&self, what: impl std::fmt::Display) {
        let _ = what.to_string();
    }
}

fn main() {}

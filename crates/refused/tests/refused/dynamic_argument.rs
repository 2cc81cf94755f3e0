//! An argument that is known by its trait alone.

struct Maths;

#[procession_macros::shared]
impl Maths {
    pub fn show(&self, what: &dyn std::fmt::Display) {
        let _ = what.to_string();
    }
}

fn main() {}

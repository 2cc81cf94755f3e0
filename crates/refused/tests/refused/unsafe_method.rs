//! A method whose caller must see to something.

struct Maths;

#[procession_macros::shared]
impl Maths {
    /// # Safety
    ///
    /// The caller must own what is changed.
    pub unsafe fn change(&self) {}
}

fn main() {}

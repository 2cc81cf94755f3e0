//! A trait whose method returns nothing.

struct Maths;

trait Notify {
    fn notify(&self);
}

#[procession_macros::shared]
impl Notify for Maths {
    fn notify(&self) {}
}

fn main() {}

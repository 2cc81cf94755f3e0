//! What `#[shared]` refuses does not compile, and the error says what to do.

use trybuild::TestCases;

// MGR-066
#[test]
fn each_refusal_says_what_to_do() {
    TestCases::new().compile_fail("tests/refused/*.rs");
}

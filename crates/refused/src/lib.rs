//! What the attributes refuse, and what they say then: a package of its own, because each case is compiled
//! with all that its package depends on, and these need nothing but the attributes.

#![forbid(unsafe_code)]

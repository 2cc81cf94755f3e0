//! The managed namespace.

use super::{manager, start};
use procession_manager::{Namespace, Object};
use procession_testkit::watchdog;

#[test]
fn names_are_set_read_and_deleted() {
    // MGR-007
    let _watchdog = watchdog();
    let manager = manager();
    let namespace = manager.namespace().unwrap();
    assert_eq!(namespace.set("name", "Bob").unwrap(), None);
    assert_eq!(namespace.set("job", "Builder").unwrap(), None);
    assert_eq!(namespace.set("_hidden", "hidden").unwrap(), None);
    assert_eq!(namespace.get("name").unwrap(), Some("Bob".into()));
    assert_eq!(namespace.set("name", 3).unwrap(), Some("Bob".into()));
    assert_eq!(namespace.delete("job").unwrap(), Some("Builder".into()));
    assert_eq!(namespace.get("job").unwrap(), None);
    assert_eq!(namespace.delete("job").unwrap(), None);
    assert_eq!(namespace.repr().unwrap(), "Namespace(name=3)");
    assert_eq!(namespace.names().unwrap(), ["name", "_hidden"]);
}

#[test]
fn children_see_and_change_it() {
    let _watchdog = watchdog();
    let manager = manager();
    let namespace = manager.namespace().unwrap();
    namespace.set("x", 10).unwrap();
    let add = |namespace: Namespace| -> anyhow::Result<()> {
        let x = i64::try_from(namespace.get("x")?.unwrap_or(Object::None))?;
        namespace.set("y", x + 1)?;
        Ok(())
    };
    start(add, (namespace.clone(),)).join().unwrap();
    assert_eq!(namespace.repr().unwrap(), "Namespace(x=10, y=11)");
}

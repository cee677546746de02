//! The publisher's key file.

use origin::key::{KeyFileError, create, read, read_or_create};
use std::fs;
use std::os::unix::fs::PermissionsExt;

#[test]
fn a_key_is_made_once_for_its_owner_alone() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("deep/publisher.key");
    let key = read_or_create(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(read_or_create(&path).unwrap().public(), key.public());
    assert!(matches!(create(&path), Err(KeyFileError::Io { .. })), "a key is never overwritten");
    assert_eq!(read(&path).unwrap().public(), key.public());
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn a_key_that_others_may_read_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("publisher.key");
    create(&path).unwrap();
    for mode in [0o640, 0o604, 0o660, 0o644, 0o666, 0o777, 0o601] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let error = read_or_create(&path).unwrap_err();
        assert!(matches!(error, KeyFileError::Open { .. }), "{mode:o}: {error}");
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    read(&path).unwrap();
}

#[test]
fn a_file_that_holds_no_key_is_not_taken_for_one() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("publisher.key");
    for text in ["", "short", &"!".repeat(43), &"A".repeat(44), &"A".repeat(5000)] {
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let error = read_or_create(&path).unwrap_err();
        assert!(matches!(error, KeyFileError::Text { .. }), "{text}: {error}");
    }
}

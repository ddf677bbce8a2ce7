//! A body as a file, which is there whole or not at all.

use std::{fs, path::Path};

use bytes::Bytes;
use futures::{FutureExt, StreamExt, stream};
use pr_core::{BackendError, BackendExt, ErrorKind, Frame};
use tempfile::TempDir;

use super::support::{Canned, Coding, block_on, get};

/// The names of what is in a directory.
fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// A body of 1 MB that fails at its end.
fn failing() -> Canned {
    Canned::frames(None, || {
        let cut_off = BackendError::new(ErrorKind::Truncated, "the connection ended");
        let piece = || Ok(Frame::Data(Bytes::from_static(&[1; 10_000])));
        stream::repeat_with(piece)
            .take(100)
            .chain(stream::iter([Err(cut_off)]))
    })
}

#[test]
fn a_body_of_any_size_is_written_whole() {
    let directory = TempDir::new().unwrap();
    for size in [0, 1, 100_000, 3_000_000] {
        let content: Vec<u8> = (0_u8..=250).cycle().take(size).collect();
        let target = directory.path().join("file");
        let in_pieces =
            Canned::pieces(content.chunks(70_000).map(Bytes::copy_from_slice).collect());
        let decoded = Canned::whole(Coding::Zstd.encode(&content)).coding("zstd");
        for canned in [in_pieces, decoded] {
            let written =
                block_on(async { canned.open().await.copy_to_file(&target).await }).unwrap();
            assert_eq!(written, size as u64);
            assert!(fs::read(&target).unwrap() == content, "{size} bytes");
            assert_eq!(names(directory.path()), ["file"]);
        }
    }
}

#[test]
fn after_an_error_everything_is_as_it_was() {
    let directory = TempDir::new().unwrap();
    let target = directory.path().join("file");
    let copy = || block_on(async { failing().open().await.copy_to_file(&target).await });

    let error = copy().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Truncated);
    assert_eq!(names(directory.path()), [""; 0]);

    fs::write(&target, "old").unwrap();
    copy().unwrap_err();
    assert_eq!(fs::read(&target).unwrap(), b"old");
    assert_eq!(names(directory.path()), ["file"]);
}

#[test]
fn over_the_limit_nothing_is_kept() {
    let directory = TempDir::new().unwrap();
    let canned = Canned::whole(vec![0; 2000]);
    let request = get().max_body_size(1000);
    let outcome = block_on(async {
        let mut response = canned.stream(request).await?;
        response.copy_to_file(directory.path().join("file")).await
    });
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Limit);
    assert_eq!(names(directory.path()), [""; 0]);
}

#[test]
fn dropped_in_the_middle_nothing_is_left() {
    let directory = TempDir::new().unwrap();
    let target = directory.path().join("file");
    fs::write(&target, "old").unwrap();
    let (stalls, stalled) = futures::channel::oneshot::channel::<()>();
    let stalls = std::sync::Mutex::new(Some(stalls));
    let canned = Canned::frames(None, move || {
        let stalls = stalls.lock().unwrap().take();
        let pieces = stream::repeat_with(|| Ok(Frame::Data(Bytes::from_static(&[1; 10_000]))));
        // When this is asked for, some of the body has been written.
        let then_nothing = stream::once(async move {
            drop(stalls);
            std::future::pending().await
        });
        pieces.take(100).chain(then_nothing)
    });
    block_on(async {
        let mut response = canned.open().await;
        let mut copying = Box::pin(response.copy_to_file(&target).fuse());
        let mut stalled = stalled.fuse();
        futures::select! {
            outcome = copying => panic!("it cannot end: {outcome:?}"),
            _ = stalled => {}
        }
        assert_eq!(
            names(directory.path()).len(),
            2,
            "the target and what is being written"
        );
    });
    assert_eq!(fs::read(&target).unwrap(), b"old");
    assert_eq!(names(directory.path()), ["file"]);
}

#[test]
fn places_that_cannot_be_written_to() {
    let directory = TempDir::new().unwrap();
    let canned = Canned::whole("content");
    let missing = directory.path().join("missing/file");
    for target in [directory.path(), &missing, Path::new(""), Path::new("/")] {
        let error = block_on(async { canned.open().await.copy_to_file(target).await }).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Other, "{target:?}");
        let cause = std::error::Error::source(&error).unwrap();
        assert!(cause.is::<std::io::Error>(), "{cause}");
    }
    assert_eq!(names(directory.path()), [""; 0]);
}

#[cfg(unix)]
#[test]
fn permissions_are_those_of_the_file_that_is_replaced_or_of_any_new_one() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    let directory = TempDir::new().unwrap();
    let path = |name| directory.path().join(name);
    let mode = |name| fs::metadata(path(name)).unwrap().permissions().mode() & 0o7777;
    let copy_to = |name| {
        let canned = Canned::whole("content");
        block_on(async { canned.open().await.copy_to_file(path(name)).await }).unwrap();
    };

    fs::write(path("plain"), "").unwrap();
    copy_to("new");
    assert_eq!(mode("new"), mode("plain"));

    for kept in [0o600, 0o640, 0o755] {
        fs::write(path("old"), "").unwrap();
        fs::set_permissions(path("old"), fs::Permissions::from_mode(kept)).unwrap();
        copy_to("old");
        assert_eq!(mode("old"), kept);
    }

    symlink(path("plain"), path("link")).unwrap();
    copy_to("link");
    assert_eq!(
        fs::read(path("plain")).unwrap(),
        b"",
        "the link was followed"
    );
    assert_eq!(fs::read(path("link")).unwrap(), b"content");
}

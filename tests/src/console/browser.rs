//! Journeys in Chromium, driven by `tests/partners/npm/console.mjs`.

use super::world::World;
use avouch_console::users::Role;
use serde_json::json;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use testkit::peers::{npm_folder, require, require_npm};

/// How often the console counts.
const STEP: Duration = Duration::from_secs(5);

/// Goes on a journey in a world with traffic; keeps pictures in the folder, where there is one.
async fn travel(journey: &str, role: Role, folder: Option<&Path>) {
    let (Some(node), Some(chromium)) = (require_npm("playwright-core"), require(&["chromium"])) else {
        return;
    };
    let world = World::start("").await;
    world.traffic().await;
    if folder.is_some() {
        // A chart has something to show.
        for round in 0..30 {
            tokio::time::sleep(STEP).await;
            for _ in 0..=(round * 7 % 5) / 2 {
                world.traffic().await;
            }
        }
    }
    let link = format!("{}/console/enrol#{}", world.origin, world.invite("ada", role));
    let what = json!({
        "origin": world.origin,
        "site": format!("http://{}", world.running.addresses[0]),
        "link": link,
        "journey": journey,
        "folder": folder,
        "chromiumPath": chromium.path("chromium"),
    });
    let mut command = Command::new(node.path("node"));
    command.arg("console.mjs").arg(what.to_string()).current_dir(npm_folder());
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && output.stdout == b"done\n", "{journey}: {said}");
    world.running.stop().await;
}

#[tokio::test]
async fn an_operator_enrols_sees_traffic_come_tries_a_draft_and_signs_out() {
    travel("operator", Role::Operator, None).await;
}

#[tokio::test]
async fn a_viewer_sees_every_page_and_does_nothing_past_them() {
    travel("viewer", Role::Viewer, None).await;
}

#[tokio::test]
async fn a_page_of_another_origin_does_nothing_with_the_cookies_of_an_operator() {
    travel("elsewhere", Role::Operator, None).await;
}

#[tokio::test]
async fn markup_of_strangers_is_text_on_every_page() {
    travel("hostile", Role::Operator, None).await;
}

#[tokio::test]
async fn every_page_fits_a_telephone_and_keeps_wcag_aa_by_day_and_by_night() {
    travel("looks", Role::Operator, None).await;
}

/// `cargo nextest run -p avouch-tests --features pictures the_pictures`: it writes docs/console/.
#[cfg(feature = "pictures")]
#[tokio::test]
async fn the_pictures_in_the_documentation_are_taken_anew() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/console");
    travel("looks", Role::Operator, Some(&folder)).await;
}

#[test]
fn the_pictures_in_the_documentation_are_small() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/console");
    let pictures: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()).collect();
    assert!(!pictures.is_empty());
    for picture in pictures {
        let (length, name) = (picture.metadata().unwrap().len(), picture.file_name());
        assert!(length <= 150 << 10, "{}: {length} octets", name.display());
    }
}

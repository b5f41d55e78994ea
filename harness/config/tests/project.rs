//! Firmware of a project on a bench that is described elsewhere.

use std::path::Path;

use hil_config::{Bench, ConfigError, Image, ImageOverride, Kinds, NvsValue, Part, Partitions};
use tempfile::TempDir;

const BENCH: &str = r#"
[boards.lamp]
kind = "virtual"
firmware = "app"

[firmware.base]
image = "builtin:lamp"
nvs = { "mqtt.host" = "{tap.host}", "mqtt.port" = "{tap.port}", "app.place" = "bench" }
ready = "mqtt: starting"
"#;

fn bench(text: &str) -> Bench {
    Bench::from_text(text, Path::new("/etc/hil/bench.toml"), &Kinds::default()).expect("a valid bench")
}

fn on_bench(project: &str) -> Result<Bench, ConfigError> {
    bench(BENCH).with_project_text(project, Path::new("hil.toml"))
}

fn text<'b>(bench: &'b Bench, firmware: &str, key: &str) -> Option<&'b str> {
    let (namespace, key) = key.split_once('.').expect("a key");
    match bench.firmware(firmware)?.nvs.get(&(namespace.to_owned(), key.to_owned()))? {
        NvsValue::Text(text) => Some(text),
        other => panic!("{other:?}"),
    }
}

/// Each problem of a project file, as `hil` shows it.
fn shown(result: Result<Bench, ConfigError>) -> String {
    format!("error: {}", result.expect_err("a problem"))
}

#[test]
fn a_project_replaces_firmware_of_the_bench_and_adds_its_own() {
    let bench =
        on_bench("[firmware.base]\nimage = \"builtin:mqtt-client\"\n[firmware.app]\nimage = \"builtin:lamp\"\n");
    let bench = bench.expect("valid");
    assert_eq!(bench.firmware("base").map(|base| &base.image), Some(&Image::Builtin("mqtt-client".to_owned())));
    assert!(bench.firmware("base").is_some_and(|base| base.nvs.is_empty()));
    let project = bench.project.as_ref().expect("a project");
    assert_eq!(project.replaced.iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["base"]);
    bench.check_set(Part::Firmware("app")).expect("described");
}

#[test]
fn paths_of_a_project_count_from_its_folder() {
    let folder = TempDir::new().expect("folder");
    std::fs::write(folder.path().join("app.elf"), b"").expect("write");
    let project = folder.path().join("hil.toml");
    std::fs::write(&project, "[firmware.app]\nimage = \"app.elf\"\n").expect("write");
    let bench = bench(BENCH).with_project(&project).expect("valid");
    assert_eq!(bench.firmware("app").map(|app| &app.image), Some(&Image::File(folder.path().join("app.elf"))));
}

#[test]
fn a_firmware_inherits_keys_and_merges_settings() {
    let project = r#"
        [firmware.app]
        extends = "middle"
        nvs = { "app.name" = "{board.name}" }
        [firmware.middle]
        extends = "base"
        image = "builtin:mqtt-client"
        nvs = { "app.place" = "project", "app.name" = "middle" }
        [firmware.base]
        extends = "base"
        verify = "once"
    "#;
    let bench = on_bench(project).expect("valid");
    let app = bench.firmware("app").expect("app");
    assert_eq!(app.image, Image::Builtin("mqtt-client".to_owned()));
    assert_eq!(app.verify, hil_config::Verify::Once);
    assert_eq!(app.ready.as_ref().map(|ready| ready.as_str()), Some("mqtt: starting"));
    let nvs = ["mqtt.host", "app.place", "app.name"].map(|key| text(&bench, "app", key));
    assert_eq!(nvs, [Some("{tap.host}"), Some("project"), Some("{board.name}")]);
    assert_eq!(text(&bench, "middle", "app.name"), Some("middle"));
    assert_eq!(bench.firmware("base").map(|base| &base.image), Some(&Image::Builtin("lamp".to_owned())));
}

#[test]
fn extends_that_leads_nowhere_or_back_is_shown() {
    insta::assert_snapshot!(shown(on_bench(
        "[firmware.app]\nextends = \"bass\"\n[firmware.zoo]\nextends = \"quux\"\n[firmware.heir]\nextends = \"zoo\"\n\
         [firmware.a]\nextends = \"b\"\n[firmware.b]\nextends = \"a\"\n[firmware.c]\nextends = \"a\"\n\
         [firmware.self]\nextends = \"self\"\n[firmware.number]\nextends = 1\n"
    )));
}

#[test]
fn a_problem_of_an_inherited_value_is_shown_where_it_is_written() {
    insta::assert_snapshot!(shown(on_bench(
        "[firmware.app]\nextends = \"base\"\nkind = \"process\"\ncommand = [\"true\"]\nverify = \"never\"\n"
    )));
    // Once, if the table that has it is wrong by itself.
    let own = "[firmware.a]\nextends = \"z\"\n[firmware.z]\nimage = \"builtin:lamp\"\nnvs = { \"a\" = 1 }\n";
    assert_eq!(shown(on_bench(own)).matches("error: ").count(), 1);
}

#[test]
fn wiring_and_misspelt_keys_are_refused() {
    insta::assert_snapshot!(shown(on_bench(
        "frimware = 1\nrails = []\n[boards.lamp]\nkind = \"virtual\"\n[broker]\nkind = \"embedded\"\n\
         [firmware.app]\nimage = \"builtin:lamp\"\nport = { path = \"/dev/ttyUSB0\" }\nraedy = \"up\"\n"
    )));
}

#[test]
fn broken_toml_of_a_project_is_shown_with_its_file() {
    insta::assert_snapshot!(shown(on_bench("[firmware.app]\nimage = \"builtin:lamp\n")));
}

#[test]
fn a_project_file_that_is_missing_is_named() {
    let error = bench(BENCH).with_project(Path::new("no/such/hil.toml")).expect_err("missing");
    assert_eq!(error.to_string(), "can't read the project file `no/such/hil.toml`");
}

/// A shared bench may name a firmware that only projects have: what needs it says where it was looked for.
#[test]
fn a_default_firmware_that_nothing_describes_stops_only_what_needs_it() {
    let alone = bench(BENCH);
    alone.check_set(Part::Board("lamp")).expect("its power can be switched");
    let project = on_bench("[firmware.other]\nimage = \"builtin:lamp\"\n").expect("valid");
    let errors = [alone, project].map(|bench| bench.check_set(Part::Firmware("app")).expect_err("missing").to_string());
    insta::assert_snapshot!(errors.join("\n\n"));
}

#[test]
fn a_file_that_is_not_built_yet_stops_only_its_firmware() {
    let project = "[firmware.app]\nextends = \"base\"\nimage = \"build/app.elf\"\n[firmware.heir]\nextends = \"app\"\n\
                   [firmware.other]\nextends = \"app\"\nimage = \"builtin:lamp\"\n\
                   [firmware.parts]\nimage = { 0x0 = \"build/boot.bin\", 0x10000 = \"${HIL_TEST_UNSET}/app.bin\" }\n";
    let bench = on_bench(project).expect("valid");
    bench.check_set(Part::Firmware("other")).expect("it has an image of its own");
    let errors =
        ["app", "heir", "parts"].map(|name| bench.check_set(Part::Firmware(name)).expect_err("not there").to_string());
    insta::assert_snapshot!(errors.join("\n\n"));
    assert_eq!(bench.unset().len(), 3);
}

#[test]
fn variables_are_filled_in_in_paths() {
    let folder = TempDir::new().expect("folder");
    for file in ["app.elf", "parts.csv"] {
        std::fs::write(folder.path().join(file), b"").expect("write");
    }
    // Variables that are set wherever tests run: by cargo.
    let text = "[firmware.app]\nimage = \"${HIL_TEST_UNSET:-app}.elf\"\npartitions = \"${HIL_TEST_UNSET:-parts.csv}\"\n\
                [firmware.program]\nkind = \"process\"\ncommand = [\"true\"]\n\
                dir = \"${CARGO_MANIFEST_DIR}\"\npath = [\"${CARGO_MANIFEST_DIR}/bin\"]\n";
    let bench = bench(BENCH).with_project_text(text, &folder.path().join("hil.toml")).expect("valid");
    let app = bench.firmware("app").expect("app");
    assert_eq!(app.image, Image::File(folder.path().join("app.elf")));
    assert_eq!(app.partitions, Some(Partitions::File(folder.path().join("parts.csv"))));
    let program = bench.firmware("program").and_then(|program| program.process.clone()).expect("a program");
    assert_eq!(program.dir, Some(env!("CARGO_MANIFEST_DIR").into()));
    assert_eq!(program.path, [Path::new(env!("CARGO_MANIFEST_DIR")).join("bin")]);
    assert_eq!(bench.unset(), Vec::new());
}

#[test]
fn a_secret_has_no_default() {
    let text = "[firmware.app]\nimage = \"builtin:lamp\"\nnvs = { \"a.b\" = \"${secret:HIL_TEST_UNSET:-hunter2}\" }\n";
    insta::assert_snapshot!(shown(on_bench(text)));
}

#[test]
fn a_network_that_is_not_set_stops_only_firmware_that_mentions_it() {
    let text = "[wifi]\nssid = \"lab\"\npassword = \"${secret:HIL_TEST_UNSET}\"\n\
                [firmware.with]\nimage = \"builtin:lamp\"\nnvs = { \"wifi.password\" = \"{wifi.password}\" }\n\
                [firmware.without]\nimage = \"builtin:lamp\"\n";
    let bench = bench(text);
    bench.check_set(Part::Firmware("without")).expect("it needs no network");
    insta::assert_snapshot!(bench.check_set(Part::Firmware("with")).expect_err("not set"));
}

fn image(text: &str) -> ImageOverride {
    text.parse().expect("an image")
}

#[test]
fn an_image_of_the_command_line_counts_before_the_files() {
    let folder = TempDir::new().expect("folder");
    let elf = folder.path().join("app.elf");
    std::fs::write(&elf, b"").expect("write");
    let given = [image(&format!("base={}", elf.display())), image(&format!("app={}", elf.display()))];
    let bench = bench(BENCH).with_images(&given, "--firmware").expect("valid");
    // The rest of the firmware stays, and one that only a board names has nothing but its image.
    assert_eq!(bench.firmware("base").map(|base| (&base.image, base.nvs.len())), Some((&Image::File(elf.clone()), 3)));
    assert_eq!(bench.firmware("app").map(|app| (&app.image, app.nvs.len())), Some((&Image::File(elf), 0)));
    bench.check_set(Part::Firmware("app")).expect("it has an image");
}

#[test]
fn an_image_of_the_command_line_need_not_be_built_as_the_file_says() {
    let project = "[firmware.app]\nimage = \"build/app.elf\"\nnvs = { \"a.b\" = \"${HIL_TEST_UNSET}\" }\n";
    let bench = on_bench(project).expect("valid").with_images(&[image("app=builtin:lamp")], "--firmware");
    let error = bench.expect("valid").check_set(Part::Firmware("app")).expect_err("a setting is not set").to_string();
    assert!(error.contains("HIL_TEST_UNSET") && !error.contains("build/app.elf"), "{error}");
}

#[test]
fn images_that_do_not_fit_are_refused() {
    let program = "[firmware.program]\nkind = \"process\"\ncommand = [\"true\"]\n";
    let errors = ["bass=builtin:lamp", "quux=builtin:lamp", "program=builtin:lamp"].map(|given| {
        let bench = on_bench(program).expect("valid");
        bench.with_images(&[image(given)], "--firmware").expect_err("refused").to_string()
    });
    insta::assert_snapshot!(errors.join("\n\n"));
    for wrong in ["app", "=x", "app="] {
        assert!(wrong.parse::<ImageOverride>().is_err(), "{wrong}");
    }
}

//! Data sets by name and by folder, as a user meets them; a server on this machine stands for the web.

use crate::{replay_buffer, search, stderr, tiny};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

/// Bytes of MNIST's training images.
const SIZE: usize = 9_912_422;
const CHECKSUM: &str = "sha256:440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609";

/// A server that answers one request with `answer` and gives its first line; its address.
fn serve_once(answer: impl FnOnce(&mut TcpStream) + Send + 'static) -> (String, thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let request = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
        let first = lines.next().unwrap();
        lines.find(String::is_empty);
        answer(&mut stream);
        first
    });
    (url, request)
}

fn head(length: usize) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")
}

/// A search that must not find a proxy of this machine.
fn direct() -> Command {
    let mut command = search();
    for name in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    command
}

/// Runs a search of MNIST below `folder` that has to fail, and gives its message.
fn failing(mut command: Command, folder: &Path, arguments: &[&str]) -> Output {
    command.args(["--dataset", "mnist", "--runs"]).arg(folder.join("runs")).arg("--data-dir").arg(folder.join("data"));
    let output = command.args(arguments).output().unwrap();
    assert!(!output.status.success(), "{}", stderr(&output));
    assert!(!folder.join("runs").exists(), "a run was left behind");
    output
}

#[test]
fn offline_a_known_set_that_is_not_there_is_listed_file_by_file() {
    let folder = tempfile::tempdir().unwrap();
    let output = failing(direct(), folder.path(), &["--offline"]);
    let dir = folder.path().join("data/mnist").display().to_string();
    let line = |name, size, sum| format!("  {dir}/{name}-ubyte.gz  {size} bytes, {sum}\n");
    let files = [
        line("train-images-idx3", SIZE, CHECKSUM),
        line("train-labels-idx1", 28_881, "sha256:3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
        line("t10k-images-idx3", 1_648_877, "sha256:8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
        line("t10k-labels-idx1", 4_542, "sha256:f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    ];
    assert_eq!(
        stderr(&output),
        format!(
            "error: offline, and files are missing in {dir}; put there\n{}(from \
             https://ossci-datasets.s3.amazonaws.com/mnist or https://storage.googleapis.com/cvdf-datasets/mnist) or allow \
             the download\n",
            files.concat()
        )
    );
    assert!(!folder.path().join("data").exists());
}

#[test]
fn a_corrupt_download_is_named_and_never_gets_the_name_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let (url, request) = serve_once(|stream| {
        stream.write_all(head(SIZE).as_bytes()).unwrap();
        stream.write_all(&vec![7; SIZE]).unwrap();
    });
    let output = failing(direct(), folder.path(), &["--mirror", &url]);
    let message = stderr(&output);
    let dir = folder.path().join("data/mnist");
    let expected = format!(
        "error: cannot fetch train-images-idx3-ubyte.gz ({SIZE} bytes, {CHECKSUM}) into {}:\n  \
         {url}/train-images-idx3-ubyte.gz: wrong content: sha256:",
        dir.display()
    );
    assert!(message.contains(&expected), "{message}");
    assert!(message.contains(&format!("; expected {CHECKSUM}\ncheck the connection, or the proxy")), "{message}");
    assert!(!dir.join("train-images-idx3-ubyte.gz").exists());
    assert_eq!(request.join().unwrap(), "GET /train-images-idx3-ubyte.gz HTTP/1.1");
}

#[test]
fn the_proxy_of_the_environment_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let (url, request) = serve_once(|stream| stream.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").unwrap());
    let mut command = direct();
    command.env("HTTP_PROXY", url).env("NO_PROXY", "other.invalid");
    let output = failing(command, folder.path(), &["--mirror", "http://files.invalid/mnist"]);
    assert!(stderr(&output).contains("http://files.invalid/mnist/train-images-idx3-ubyte.gz: "), "{}", stderr(&output));
    assert_eq!(request.join().unwrap(), "CONNECT files.invalid:80 HTTP/1.1");
}

#[cfg(unix)]
#[test]
fn an_interrupted_download_keeps_its_part() {
    let folder = tempfile::tempdir().unwrap();
    let (url, request) = serve_once(|stream| {
        stream.write_all(head(SIZE).as_bytes()).unwrap();
        // Slow, but not silent.
        while stream.write_all(&[7; 1000]).is_ok() {
            thread::sleep(Duration::from_millis(10));
        }
    });
    let part = folder.path().join("data/mnist/train-images-idx3-ubyte.gz.part");
    let mut command = direct();
    command.args(["--dataset", "mnist", "--mirror", &url, "--data-dir"]).arg(folder.path().join("data"));
    command.arg("--runs").arg(folder.path().join("runs")).stderr(std::process::Stdio::piped());
    let child = command.spawn().unwrap();
    let mut checks = 0;
    while fs::metadata(&part).map_or(0, |part| part.len()) == 0 {
        checks += 1;
        assert!(checks < 6000, "no byte arrived in a minute");
        thread::sleep(Duration::from_millis(10));
    }
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let output = child.wait_with_output().unwrap();
    request.join().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    let received = fs::metadata(&part).unwrap().len();
    let message = format!("error: stopped: {received} of {SIZE} bytes of train-images-idx3-ubyte.gz are kept in ");
    assert!(stderr(&output).contains(&message), "{}", stderr(&output));
}

#[test]
fn every_broken_image_of_a_folder_is_named_before_the_search_starts() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["train/cat/1.png", "train/dog/2.jpg", "test/dog/3.bmp"] {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "no image").unwrap();
    }
    let output = search().arg("--dataset").arg(folder.path()).arg("--runs").arg(folder.path().join("runs")).output();
    let path = folder.path().display();
    let line = |name| format!("\n  {path}/{name}: is no PNG, JPEG or BMP image");
    assert_eq!(
        stderr(&output.unwrap()),
        format!(
            "error: {path}: 3 of its files cannot be used as images; repair or remove them{}{}{}\n",
            line("train/cat/1.png"),
            line("train/dog/2.jpg"),
            line("test/dog/3.bmp")
        )
    );
    assert!(!folder.path().join("runs").exists());
}

/// A BMP file of 4 × 4 pixels of one colour.
fn bmp([red, green, blue]: [u8; 3]) -> Vec<u8> {
    let mut file = b"BM".to_vec();
    for number in [54 + 48u32, 0, 54, 40, 4, 4, 1 | 24 << 16, 0, 48, 2835, 2835, 0, 0] {
        file.extend(number.to_le_bytes());
    }
    (0..16).for_each(|_| file.extend([blue, green, red]));
    file
}

#[test]
fn a_folder_of_coloured_images_is_searched_in_rgb_and_in_gray() {
    let folder = tempfile::tempdir().unwrap();
    for (class, color) in [("leaf", [0, 200, 0]), ("rose", [200, 0, 0]), ("sky", [0, 0, 200])] {
        for (part, images) in [("train", 20), ("test", 4)] {
            let path = folder.path().join(part).join(class);
            fs::create_dir_all(&path).unwrap();
            (0..images).for_each(|i| fs::write(path.join(format!("{i}.bmp")), bmp(color.map(|c| c + i))).unwrap());
        }
    }
    for (arguments, shape) in [(&["--rgb"][..], "3x12x12"), (&[], "1x12x12")] {
        let output = search()
            .args(["--schedule", "1.0:3", "--epochs", "2", "--patch-size", "12", "--cache", "off", "--json"])
            .arg("--dataset")
            .arg(folder.path())
            .arg("--runs")
            .arg(folder.path().join("runs"))
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        let announced = format!("60 training and 12 test images of {shape}, 3 classes");
        assert!(stderr(&output).contains(&announced), "{}", stderr(&output));
    }
}

/// Twelve coloured images of each of two classes, without parts.
fn two_classes(folder: &Path) {
    for (class, color) in [("leaf", [0, 200, 0]), ("rose", [200, 0, 0])] {
        fs::create_dir_all(folder.join(class)).unwrap();
        (0..12)
            .for_each(|i| fs::write(folder.join(class).join(format!("{i}.bmp")), bmp(color.map(|c| c + i))).unwrap());
    }
}

/// A small search in a folder.
fn small(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = search();
    command.current_dir(folder).args(["--patch-size", "8", "--schedule", "1.0:3", "--epochs", "1"]).args(arguments);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    output
}

/// The only run in a folder of runs.
fn run_in(runs: &Path) -> String {
    let mut entries = fs::read_dir(runs).unwrap().map(|entry| entry.unwrap().path());
    entries.find(|path| path.join("journal.jsonl").exists()).unwrap().display().to_string()
}

#[test]
fn a_search_inside_the_folder_of_its_data_is_resumed_and_repeated() {
    let folder = tempfile::tempdir().unwrap();
    two_classes(folder.path());
    let first = small(folder.path(), &["--dataset", ".", "--limit", "1"]);
    let run = run_in(&folder.path().join("runs"));
    let resumed = search().current_dir(folder.path()).args(["--resume", &run]).output().unwrap();
    assert!(resumed.status.success(), "{}", stderr(&resumed));
    let second = small(folder.path(), &["--dataset", "."]);
    for output in [first, second] {
        assert!(stderr(&output).contains("20 training and 4 test images of 1x8x8, 2 classes"), "{}", stderr(&output));
    }
}

/// Forty training images sorted by class, twenty of each, and two test images, as IDX files.
fn sorted_classes(folder: &Path) {
    let idx = |sizes: &[u32], bytes: Vec<u8>| {
        let dimensions = sizes.len() as u8;
        let sizes: Vec<u8> = sizes.iter().flat_map(|size| size.to_be_bytes()).collect();
        [&[0, 0, 8, dimensions], &sizes[..], &bytes].concat()
    };
    for (part, images) in [("train", 40), ("t10k", 2)] {
        let labels: Vec<u8> = (0..images).map(|i| u8::from(i >= images / 2)).collect();
        let pixels = (0..images * 64).map(|i| (i * 7 % 251) as u8).collect();
        fs::write(folder.join(format!("{part}-images.idx3-ubyte")), idx(&[images, 8, 8], pixels)).unwrap();
        fs::write(folder.join(format!("{part}-labels.idx1-ubyte")), idx(&[images], labels)).unwrap();
    }
}

#[test]
fn classes_that_a_limit_loses_are_named_once_and_a_run_of_before_keeps_its_images() {
    let folder = tempfile::tempdir().unwrap();
    sorted_classes(folder.path());
    let lost =
        |output: &Output| stderr(output).matches("warning: class 1 has no training image, but 1 test image").count();
    let limited = ["--dataset", ".", "--limit", "1", "--limit-train", "20", "--limit-order"];
    let first = small(folder.path(), &[&limited[..], &["first"]].concat());
    assert_eq!(lost(&first), 1, "{}", stderr(&first));
    let run = run_in(&folder.path().join("runs"));
    let settings = Path::new(&run).join("settings.toml");
    let text = fs::read_to_string(&settings).unwrap();
    assert!(text.contains("limit-order = \"first\"\n"), "{text}");
    fs::write(&settings, text.replace("limit-order = \"first\"\n", "")).unwrap();
    let journal = Path::new(&run).join("journal.jsonl");
    fs::write(&journal, crate::journal::of_format_1(&fs::read_to_string(&journal).unwrap())).unwrap();
    let resumed = search().args(["--resume", &run]).output().unwrap();
    assert!(resumed.status.success() && lost(&resumed) == 1, "{}", stderr(&resumed));
    let balanced = small(folder.path(), &[&limited[..], &["balanced"]].concat());
    assert_eq!(lost(&balanced), 0, "{}", stderr(&balanced));
}

#[test]
fn a_search_uses_the_chosen_classes_alone() {
    let runs = tempfile::tempdir().unwrap();
    let folder = tiny(runs.path(), &["--classes", "3,8", "--limit-train", "200", "--limit", "2"]);
    let settings = std::fs::read_to_string(folder.join("settings.toml")).unwrap();
    assert!(settings.contains("classes = \"3,8\""), "{settings}");
    assert!(replay_buffer(&folder).contains("SM(2)]"));
    for (classes, expected) in [("3,x", "classes: `x` is no label"), ("3,12", "class 12 is not there")] {
        let output = search().args(["--classes", classes]).output().unwrap();
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
    }
}

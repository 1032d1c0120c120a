"""An edit is a small change of the user's own text: comments and layout stay."""

from __future__ import annotations

from pathlib import Path

from addnn_spec.design.plan import Plan, start
from addnn_spec.source import Source
from addnn_spec.syntax.printer import format_source

NET = """# A small network.

let kernel = 3  # of all convolutions
let base = 8

# A convolution with its norm.
block ConvBn(width, stride = 1) {
  # biases are the norm's
  return x -> conv: Conv2d(width, kernel, stride, padding = 1, bias = false) -> bn: BatchNorm2d
    -> ReLU
}

block Expanded(width, expansion = 2) {
  h = x -> ConvBn(width * expansion)  # wide inside
  return h -> out: Conv2d(width, 1)
}

block Unused(width) {
  return x -> Linear(width)
}

network Net(classes = 10, width = 20) {
  input image: float[N, 1, 8, 8]

  # the stem
  x = image -> stage1: repeat 2 { ConvBn(base) } -> MaxPool2d(2)  # 4 × 4
  # two stages, each wider
  for w, name in zip([12, 16], ["a", "b"]) {
    x = x -> "{name}": Expanded(w)  # expanded
  }
  # what reads it
  output logits = x -> Flatten -> fc1: Linear(width) -> ReLU
    -> fc2: Linear(classes)  # no softmax
}
"""
UNUSED = """block Unused(width) {
  return x -> Linear(width)
}

"""


def planned(tmp_path: Path, text: str = NET) -> Plan:
    path = tmp_path / "net.net"
    path.write_text(text)
    return start(path)


def formatted(text: str) -> str:
    return format_source(Source("net.net", text))


def changed(*pairs: tuple[str, str], text: str = NET.replace(UNUSED, "")) -> str:
    """Return the text with each piece of it, which stands in it once, in another's place."""
    for old, new in pairs:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return formatted(text)


def numbers(plan: Plan, size: int, *names: str) -> dict[int, range]:
    found = {c.number: range(size) for c in plan.widths.classes if c.name in names}
    assert len(found) == len(names)
    return found


def test_half_of_all_widths_changes_the_numbers_alone(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    small = plan.narrow({c.number: range(c.size // 2) for c in plan.widths.classes if not c.frozen})
    assert small.text == changed(
        ("base = 8", "base = 4"), ("[12, 16]", "[6, 8]"), ("width = 20", "width = 10")
    )
    assert small.narrow(numbers(small, 3, "fc1")).text == changed(
        ("base = 8", "base = 4"), ("[12, 16]", "[6, 8]"), ("width = 20", "width = 3")
    )


def test_what_the_text_ties_is_written_out_and_nothing_else(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    small = plan.narrow(numbers(plan, 3, "stage1.0.conv"))
    assert small.text == changed(
        ("stage1: repeat 2 { ConvBn(base) }", "stage1: { ConvBn(3) -> ConvBn(8) }"),
        ("let base = 8\n", ""),
    )


def test_a_cut_takes_out_what_follows_with_its_comments(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    text = plan.cut("stage1").text
    end = NET.index("  x = image")
    start = NET.index("block Expanded")
    kept = NET[:start] + NET[NET.index("network Net") : end]
    assert text == formatted(
        kept.replace(", width = 20", "")
        + "  output logits = image -> stage1: repeat 2 { ConvBn(base) } -> Flatten"
        " -> head: Linear(classes)\n}\n"
    )
    other = plan.cut("stage1", classes=3)
    assert "network Net {" in other.text
    assert "head: Linear(3)" in other.text
    assert not other.network.warnings


def test_what_leads_nowhere_after_a_cut_is_taken_out(tmp_path: Path) -> None:
    text = """network Net {
  input image: float[N, 1, 8, 8]
  # an early branch
  early = image -> side: Conv2d(4, 1)
  x = image -> conv: Conv2d(4, 3)  # the trunk
  y = x -> late: Conv2d(6, 3)
  output made = y -> Flatten -> fc: Linear(3)
  output aside = early when training
}
"""
    assert planned(tmp_path, text).cut("conv").text == formatted("""network Net {
  input image: float[N, 1, 8, 8]
  output made = image -> conv: Conv2d(4, 3) -> Flatten -> head: Linear(3)
}
""")


def test_turns_elements_and_new_ones_stand_in_their_places(tmp_path: Path) -> None:
    plan = planned(tmp_path).repeated("stage1", 3).replaced("fc1", "Linear(30, bias = false)")
    plan = plan.inserted("maxpool2d", "extra: Conv2d(8, 1)")
    assert plan.text == changed(
        ("repeat 2", "repeat 3"),
        ("fc1: Linear(width)", "fc1: Linear(30, bias = false)"),
        (", width = 20", ""),
        ("MaxPool2d(2)", "MaxPool2d(2) -> extra: Conv2d(8, 1)"),
    )


def test_a_loop_whose_labels_are_made_of_a_width_is_its_turns(tmp_path: Path) -> None:
    """Changing the number would change the label, and with it the keys."""
    text = NET.replace('"{name}"', '"{name}{w}"')
    plan = planned(tmp_path, text)
    small = plan.narrow({c.number: range(c.size // 2) for c in plan.widths.classes if not c.frozen})
    loop = text[text.index("  for w") : text.index("  # what reads it")]
    turns = """  x = x -> a12: Expanded(6)  # expanded

  x = x -> b16: Expanded(8)  # expanded

"""
    assert small.text == changed(
        ("base = 8", "base = 4"),
        ("width = 20", "width = 10"),
        (loop, turns),
        text=text.replace(UNUSED, ""),
    )
    assert set(small.keys) == set(plan.keys)


def test_what_a_user_gave_becomes_the_default(tmp_path: Path) -> None:
    from addnn_spec import load

    path = tmp_path / "net.net"
    path.write_text(NET)
    plan = start(load(path, width=40))
    small = plan.narrow(numbers(plan, 4, "stage1.0.conv", "stage1.1.conv"))
    assert small.text == changed(("base = 8", "base = 4"), ("width = 20", "width = 40"))


def test_blocks_of_other_files_are_copied_and_figures_left_out(tmp_path: Path) -> None:
    (tmp_path / "blocks.net").write_text(NET[NET.index("let") : NET.index("network Net")])
    text = '# Net: 1,000 parameters, 5 MACs\n#\n\nfrom "blocks.net" import Expanded, Unused\n\n'
    text += """network Net {
  input image: float[N, 1, 8, 8]
  # one
  output y = image -> e: Expanded(4) -> Flatten -> fc: Linear(3)
}
"""
    path = tmp_path / "net.net"
    path.write_text(text)
    plan = Plan(start(path).network, folder=tmp_path)
    inserted = plan.inserted("e", "more: ReLU")
    blocks = formatted(NET[NET.index("let") : NET.index("network Net")].replace(UNUSED, ""))
    for line in ("  # biases are the norm's", "# A convolution with its norm.", "let kernel = 3"):
        assert line in inserted.text
        assert line in blocks
    assert "parameters," not in inserted.text
    assert "Unused" not in inserted.text
    assert "from " not in inserted.text
    assert "  # one\n  output y = image -> e: Expanded(4) -> more: ReLU -> Flatten" in inserted.text


def test_stated_shapes_follow(tmp_path: Path) -> None:
    text = """network Net {
  input image: float[N, 1, 8, 8]
  x: [N, 4, 6, 6] = image -> conv: Conv2d(4, 3)  # stated
  flat: [N, 144] = x -> Flatten
  output made: [N, 3] = flat -> fc: Linear(3)
}
"""
    plan = planned(tmp_path, text)
    small = plan.narrow(numbers(plan, 3, "conv"))
    assert small.text == changed(
        ("[N, 4, 6, 6]", "[N, 3, 6, 6]"),
        ("144", "108"),
        ("Conv2d(4, 3)", "Conv2d(3, 3)"),
        text=text,
    )


def test_packaged_texts_are_patched_and_their_blocks_imported() -> None:
    def halved(name: str) -> str:
        plan = start(name)
        half = {c.number: range(c.size // 2) for c in plan.widths.classes if not c.frozen}
        return plan.narrow(half).text

    assert halved("LeNet5").endswith("""network LeNet5(classes = 10, channels = 3) {
  input image: float[N, channels, 32, 32]
  x: [N, 200] = image
    -> conv1: Conv2d(4, 5) -> ReLU -> MaxPool2d(2)
    -> conv2: Conv2d(8, 5) -> ReLU -> MaxPool2d(2)
    -> Flatten
  output logits = x
    -> fc3: Linear(60) -> ReLU
    -> fc4: Linear(42) -> ReLU
    -> fc5: Linear(classes)
}
""")
    digits = halved("Digits")
    assert 'from "digits.net" import ConvBn\n\nnetwork Digits(classes = 10' in digits
    assert "-> stage1: repeat 2 { ConvBn(8) } -> MaxPool2d(2)\n" in digits
    assert " parameters, " not in digits


def test_two_blocks_of_one_name_are_two(tmp_path: Path) -> None:
    """Of two files, with what each reads: the second has another name in the one file."""
    (tmp_path / "a.net").write_text("""let size = 3

block Unit(width) {
  return x -> conv: Conv2d(width, size, padding = 1) -> ReLU
}

# of a
block A(width) {
  return x -> Unit(width)
}
""")
    (tmp_path / "b.net").write_text("""let size = 1

block Unit(width) {
  return x -> conv: Conv2d(width, size) -> GELU
}

# of b, given Unit
block B(width) {
  return x -> Unit(width) -> other: Unit(2 * width)
}
""")
    path = tmp_path / "net.net"
    path.write_text("""from "a.net" import A
from "b.net" import B as Other

network Net {
  input image: float[N, 1, 8, 8]
  # both
  output y = image -> a: A(4) -> b: Other(4) -> Flatten -> fc: Linear(3)
}
""")
    plan = Plan(start(path).network, folder=tmp_path)
    small = plan.narrow(numbers(plan, 2, "a.unit.conv"))
    assert (
        small.text
        == """let size = 3

block Unit(width) {
  return x -> conv: Conv2d(width, size, padding = 1) -> ReLU
}

# of a
block A(width) {
  return x -> Unit(width)
}

let size2 = 1

block Unit2(width) {
  return x -> conv: Conv2d(width, size2) -> GELU
}

# of b, given Unit
block Other(width) {
  return x -> unit: Unit2(width) -> other: Unit2(2 * width)
}

network Net {
  input image: float[N, 1, 8, 8]
  # both
  output y = image -> a: A(2) -> b: Other(4) -> Flatten -> fc: Linear(3)
}
"""
    )
    assert set(small.keys) == set(plan.keys)


UNIT = """block Unit(width, kernel) {
  y: [x.shape[0], 2 * width, 8, 8] = x -> inner: Conv2d(2 * width, 1)  # stated by the width
  z: [x.shape[0], 16, 8, 8] = y -> outer: Conv2d(16, kernel, padding = kernel // 2)  # and as such
  return z -> ReLU
}

network Net(width = 4, deep = 8) {
  input image: float[N, 1, 8, 8]
  # what must hold
  assert 2 * width == deep, "twice as deep"  # of the paper
  assert deep == 8
  x = image -> a: Unit(width, 1) -> b: Unit(6, 3)
  # the head
  output y = x -> conv: Conv2d(deep, 1) -> Flatten -> fc: Linear(3)
}
"""


def test_shapes_in_blocks_and_asserts_follow(tmp_path: Path) -> None:
    plan = planned(tmp_path, UNIT)
    small = plan.narrow({c.number: range(c.size // 2) for c in plan.widths.classes if not c.frozen})
    assert small.text == changed(
        ("width = 4", "width = 2"),
        ("deep = 8", "deep = 4"),
        ("deep == 8", "deep == 4"),
        ("x.shape[0], 16, 8", "x.shape[0], 8, 8"),
        ("Conv2d(16", "Conv2d(8"),
        ("Unit(6", "Unit(3"),
        text=UNIT,
    )
    assert not small.notes


def test_an_assert_that_no_longer_holds_is_left_out_and_told(tmp_path: Path) -> None:
    plan = planned(tmp_path, UNIT)
    small = plan.narrow(numbers(plan, 6, "conv"))
    assert small.text == changed(
        ("  # what must hold\n", ""),
        ('  assert 2 * width == deep, "twice as deep"  # of the paper\n', ""),
        ("deep = 8", "deep = 6"),
        ("deep == 8", "deep == 6"),
        text=UNIT,
    )
    said = 'assert 2 * width == deep, "twice as deep"'
    assert small.notes == (f"{said} no longer holds, and is left out",)


def test_an_alias_is_the_network_that_it_stands_for(tmp_path: Path) -> None:
    """With its comments; its arguments are the defaults."""
    from addnn_spec import load

    path = tmp_path / "net.net"
    path.write_text(f"{NET}\n# A wide one.\nnetwork Wide = Net(width = 40)\n")
    plan = start(load(path, network="Wide", classes=7))
    small = plan.narrow(numbers(plan, 10, "fc1"))
    body = NET[NET.index("network Net") :].replace(UNUSED, "")
    before = NET[: NET.index("network Net")].replace(UNUSED, "")
    assert small.text == formatted(
        f"{before}# A wide one.\n"
        + body.replace(
            "network Net(classes = 10, width = 20)", "network Wide(classes = 7, width = 10)"
        )
    )


POWERS = """# Units whose widths are powers.
block Stages(Unit, depths, widths) {
  let wide, narrow = (2 * widths[0], 2 ** 3)
  x = x -> stem: Conv2d(wide, 1)  # twice the first
  for i, (depth, w) in enumerate(zip(depths, widths)) {
    # a stage
    x = x -> "stage{i}": repeat depth as j { Unit(w * 2 ** i, if j > 0 then 1 else 3) }  # its turns
  }
  return x -> last: Conv2d(narrow, 1)
}

block Conv(width, kernel) {
  return x -> conv: Conv2d(width, kernel, padding = kernel // 2)
}

network Net {
  input image: float[N, 1, 8, 8]
  output y = image -> _: Stages(Conv, [1, 2], [4, 8]) -> Flatten -> fc: Linear(3)  # all of it
}
"""


def test_widths_that_are_powers_and_loops_in_blocks_stay(tmp_path: Path) -> None:
    plan = planned(tmp_path, POWERS)
    half = {c.number: range(c.size // 2) for c in plan.widths.classes if not c.frozen}
    pairs = [("[4, 8]", "[2, 4]"), ("2 ** 3", "4")]
    assert plan.narrow(half).text == changed(*pairs, text=POWERS)
    small = plan.narrow(numbers(plan, 6, "stage1.0.conv", "stage1.1.conv"))
    assert small.text == changed(("[4, 8]", "[4, 3]"), text=POWERS)


NAMES = """network Net(w = 8, deep = true) {
  input image: float[N, 3, 16, 16]
  let w = 2 * w  # twice what is given
  x = image -> a: Conv2d(w, 1)
  if deep {
    let v = 28  # of the arm
    x = x -> b: Conv2d(v, 1)
  }
  for i in 0..2 {
    let w = 16 * (i + 1)  # of the turn
    x = x -> "c{i}": Conv2d(w, 1)
  }
  x = x -> d: {
    let w = 12  # of the brace
    y = x -> Conv2d(w, 1)
    return y -> Conv2d(w, 1)
  }
  x = x -> e: repeat 2 {
    let v = 36  # of each turn
    y = x -> Conv2d(v, 1)
    return y -> Conv2d(v, 1)
  }
  let w, u = (20, [44 for k in 0..2])
  output y = x -> f: Conv2d(w, 1) -> Conv2d(2, 1)
}
"""


def test_a_name_is_what_was_given_last_before_it(tmp_path: Path) -> None:
    plan = planned(tmp_path, NAMES)
    half = {c.number: range(c.size // 2) for c in plan.widths.classes if not c.frozen}
    pairs = [("w = 8", "w = 4"), ("= 28", "= 14"), ("= 16 *", "= 8 *"), ("= 12  #", "= 6  #")]
    pairs += [("= 36", "= 18"), ("(20,", "(10,")]
    assert plan.narrow(half).text == changed(*pairs, text=NAMES)


def test_what_may_not_have_been_given_is_said_otherwise(tmp_path: Path) -> None:
    text = """network Net(deep = true) {
  input image: float[N, 3, 16, 16]
  let w = 8
  if deep { let w = 16 }
  output y = image -> a: Conv2d(w, 1) -> Conv2d(2, 1)
}
"""
    plan = planned(tmp_path, text)
    found = plan.narrow(numbers(plan, 5, "a")).text
    assert "a: Conv2d(5, 1)" in found


def test_a_shared_module_is_no_element_of_one_use(tmp_path: Path) -> None:
    text = """network Net {
  input a: float[N, 1, 8, 8]
  input b: float[N, 1, 8, 8]
  let width = 8 % 100
  module embed = { Conv2d(width, 3) -> Flatten -> Linear(6) }
  output left = a -> embed  # one
  output right = b -> embed
}
"""
    plan = planned(tmp_path, text)
    small = plan.narrow({c.number: range(4) for c in plan.widths.classes if not c.frozen})
    assert "Conv2d(4, 3)" in small.text
    assert small.keys == plan.keys

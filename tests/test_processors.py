"""What the processor can do, as the kernel tells it."""

from valence.processors import processor_features


def test_features_of_x86_and_arm(tmp_path):
    x86 = tmp_path / "x86"
    x86.write_text("processor\t: 0\nmodel name\t: any\nflags\t\t: fpu avx2 avx512f avx512_vnni amx_int8 bf16x\n")
    assert processor_features(x86) == ("AVX2", "AVX512", "AVX512-VNNI", "AMX-INT8")
    arm = tmp_path / "arm"
    arm.write_text("processor\t: 0\nFeatures\t: fp asimd asimddp i8mm bf16\n")
    assert processor_features(arm) == ("DOTPROD", "I8MM", "BF16")


def test_where_the_system_does_not_tell(tmp_path):
    assert processor_features(tmp_path / "absent") == ()
    (tmp_path / "other").write_text("nothing to see")
    assert processor_features(tmp_path / "other") == ()

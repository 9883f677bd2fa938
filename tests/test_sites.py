"""Site and unit names."""

import pytest

import lens_probes as lp
from lens_probes.sites import (
    SITES,
    SiteShape,
    check_layers,
    check_sites,
    parse_unit_name,
    unit_name,
)

SHAPES = {"mlp_pre": SiteShape(None, 1536), "q": SiteShape(9, 64), "k": SiteShape(3, 64)}


def test_the_twelve_sites() -> None:
    assert " ".join(SITES) == (
        "resid_pre resid_mid resid_post mlp_pre mlp_pre_linear mlp_post mlp_out q k v z attn_out"
    )
    assert SITES["q"].hook_name(3) == "blocks.3.attn.hook_q"


def test_unit_names_are_those_of_the_design() -> None:
    assert unit_name(13, "mlp_pre", 1022, SHAPES["mlp_pre"]) == "L13.mlp_pre.1022"
    assert unit_name(3, "q", 5 * 64 + 17, SHAPES["q"]) == "L3.q.h5.17"


@pytest.mark.parametrize("site", list(SHAPES))
def test_names_can_be_read_back(site: str) -> None:
    for unit in range(0, SHAPES[site].n_units, 61):
        assert parse_unit_name(unit_name(7, site, unit, SHAPES[site]), SHAPES) == (7, site, unit)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("13.mlp_pre.2", "not a unit's name"),
        ("L1.mlp_pro.2", "unknown site 'mlp_pro'.*Did you mean 'mlp_pre'"),
        ("L1.mlp_pre.h2.4", "units of mlp_pre are named like L3.mlp_pre.17"),
        ("L1.q.4", "units of q are named like L3.q.h5.17"),
        ("L1.mlp_pre.1536", "mlp_pre has units 0 to 1535"),
        ("L1.k.h3.0", "k has heads 0 to 2, units 0 to 63"),
        ("L1.k.h2.64", "k has heads 0 to 2, units 0 to 63"),
    ],
)
def test_wrong_names(name: str, message: str) -> None:
    with pytest.raises(lp.InputError, match=message):
        parse_unit_name(name, SHAPES)


def test_lists_of_sites_and_layers() -> None:
    assert check_sites("q, k,q", SHAPES) == ("q", "k")
    assert check_layers(None, 3) == (0, 1, 2)
    assert check_layers([-1, 0, 2], 3) == (0, 2)
    assert check_layers(1, 3) == (1,)
    with pytest.raises(lp.InputError, match="this model has no site 'z': it has mlp_pre, q, k"):
        check_sites(["z"], SHAPES)
    with pytest.raises(lp.InputError, match="no layer -4: this model has layers 0 to 2"):
        check_layers([-4], 3)

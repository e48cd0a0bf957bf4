from __future__ import annotations

import colleges


def test_a(store_address, tmp_path):
    college = colleges.usual_college(tmp_path / "c")
    if isinstance(store_address, str):
        college.tables["store"] = {"url": store_address}
    else:
        college.tables["store"] = {"path": str(store_address)}
    report = college.sync()
    print(report.as_dict())
    assert report.exit_code == 0

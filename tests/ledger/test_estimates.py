"""What a lane is charged before anything is known of its work."""

from paperlane.desk import estimated_cost
from paperlane.model.documents import Upload


def test_a_file_is_estimated_by_its_size_at_a_minute_at_most():
    small, large, huge = (estimated_cost(Upload("a.docx", "x", size, "", "")) for size in (0, 2**20, 2**30))
    assert small < large < huge == 60.0

"""A page as its elements, parsed strictly: what is opened must be closed in order."""

import json
from dataclasses import dataclass
from html.parser import HTMLParser


@dataclass
class Element:
    """One element of a page: its attributes and the text inside it."""

    tag: str
    attributes: dict
    parent: "Element | None"
    text: str = ""

    @property
    def classes(self):
        return (self.attributes.get("class") or "").split()

    def within(self, tag):
        above = self.parent
        while above is not None and above.tag != tag:
            above = above.parent
        return above is not None


class Page(HTMLParser):
    """What a browser would make of a page, as far as these tests need it."""

    VOID = frozenset({"meta", "br", "img", "link", "input", "hr"})

    def __init__(self, source):
        super().__init__(convert_charrefs=True)
        self.elements, self._open = [], []
        self.feed(source)
        self.close()
        assert not self._open, f"not closed: {[e.tag for e in self._open]}"

    def handle_starttag(self, tag, attrs):
        element = Element(tag, dict(attrs), self._open[-1] if self._open else None)
        self.elements.append(element)
        if tag not in self.VOID:
            self._open.append(element)

    def handle_endtag(self, tag):
        assert self._open, f"</{tag}> closes nothing"
        assert self._open[-1].tag == tag, f"</{tag}> inside {self._open[-1].tag}"
        self._open.pop()

    def handle_data(self, data):
        for element in self._open:
            element.text += data

    def all(self, tag, of_class=None):
        return [
            element
            for element in self.elements
            if element.tag == tag and (of_class is None or of_class in element.classes)
        ]

    def figure(self, key):
        (source,) = (e for e in self.all("script") if e.attributes.get("data-for") == key)
        return json.loads(source.text)

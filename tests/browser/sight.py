"""What can be measured of how well a page is seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["faint_texts", "is_wider_than_its_window"]

_FAINT_TEXTS = """selector => {
  const channels = colour => (colour.match(/[\\d.]+/g) || []).map(Number);
  const linear = value => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const luminance = ([red, green, blue]) =>
    0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
  const background = element => {
    for (; element; element = element.parentElement) {
      const found = channels(getComputedStyle(element).backgroundColor);
      if (found.length === 3 || found[3] > 0.5) return found;
    }
    return [255, 255, 255];
  };
  const contrast = element => {
    const [low, high] = [channels(getComputedStyle(element).color), background(element)]
      .map(luminance).sort((one, other) => one - other);
    return (high + 0.05) / (low + 0.05);
  };
  const faint = [];
  for (const element of document.querySelectorAll(`${selector} *:not([aria-hidden=true])`)) {
    if (!element.getClientRects().length) continue;
    const text = [...element.childNodes].filter(node => node.nodeType === 3).map(node => node.data).join('');
    if (text.trim() && contrast(element) < 4.5) faint.push(`${contrast(element).toFixed(1)}: ${text.trim()}`);
  }
  return faint;
}"""
_IS_TOO_WIDE = "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"


def faint_texts(page: Page, selector: str) -> list[str]:
    """Return texts below an element whose contrast is below 4.5 to 1. Source: WCAG 2.2, 1.4.3."""
    found: list[str] = page.evaluate(_FAINT_TEXTS, selector)
    return found


def is_wider_than_its_window(page: Page) -> bool:
    """Say whether the page would have to be scrolled sideways."""
    return bool(page.evaluate(_IS_TOO_WIDE))

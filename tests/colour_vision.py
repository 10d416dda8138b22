"""How far apart people see two colours: CIEDE2000, also for those who lack red or green cones."""

from __future__ import annotations

import numpy as np

# Machado, Oliveira and Fernandes 2009, severity 1: what takes linear sRGB to what such a person sees of it
VISIONS = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}
XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)


def linear(colours: list[str]) -> np.ndarray:
    """Return colours written "#rrggbb" as linear sRGB, (colours, 3) in [0, 1]."""
    rgb = np.array([[int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)] for colour in colours])
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray, vision: str = "normal") -> np.ndarray:
    """Return linear sRGB (colours, 3) as CIELAB against the white of sRGB, as people of a colour vision see it."""
    xyz = np.clip(rgb @ VISIONS[vision].T, 0, 1) @ XYZ.T / XYZ.sum(axis=1)
    x, y, z = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116).T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


def contrast(rgb: np.ndarray, ground: np.ndarray) -> np.ndarray:
    """Return the contrast of WCAG 2 of linear sRGB (colours, 3) to a ground (1, 3)."""
    light, dark = np.sort(np.stack(np.broadcast_arrays(rgb @ XYZ[1], ground @ XYZ[1])), axis=0)[::-1]
    return (light + 0.05) / (dark + 0.05)


def ciede2000(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the colour difference of CIE 142-2001 between CIELAB colours (..., 3), with all weights 1."""
    lightness = first[..., 0], second[..., 0]
    mean_chroma = (np.hypot(*np.moveaxis(first[..., 1:], -1, 0)) + np.hypot(*np.moveaxis(second[..., 1:], -1, 0))) / 2
    stretch = 1.5 - 0.5 * np.sqrt(mean_chroma**7 / (mean_chroma**7 + 25.0**7))
    a, b = (first[..., 1] * stretch, second[..., 1] * stretch), (first[..., 2], second[..., 2])
    chroma = [np.hypot(a[i], b[i]) for i in (0, 1)]
    hue = [np.degrees(np.arctan2(b[i], a[i])) % 360 for i in (0, 1)]
    grey = chroma[0] * chroma[1] == 0

    turn = np.where(grey, 0, (hue[1] - hue[0] + 180) % 360 - 180)
    mean_hue = (hue[0] + hue[1]) / 2 + np.where(np.abs(hue[0] - hue[1]) > 180, 180, 0)
    mean_hue = np.radians(np.where(grey, hue[0] + hue[1], mean_hue))
    mean_chroma = (chroma[0] + chroma[1]) / 2
    from_middle = ((lightness[0] + lightness[1]) / 2 - 50) ** 2
    tone = (
        1
        - 0.17 * np.cos(mean_hue - np.radians(30))
        + 0.24 * np.cos(2 * mean_hue)
        + 0.32 * np.cos(3 * mean_hue + np.radians(6))
        - 0.20 * np.cos(4 * mean_hue - np.radians(63))
    )
    by_lightness = (lightness[1] - lightness[0]) / (1 + 0.015 * from_middle / np.sqrt(20 + from_middle))
    by_chroma = (chroma[1] - chroma[0]) / (1 + 0.045 * mean_chroma)
    by_hue = 2 * np.sqrt(chroma[0] * chroma[1]) * np.sin(np.radians(turn) / 2) / (1 + 0.015 * mean_chroma * tone)
    blue = np.radians(60 * np.exp(-(((np.degrees(mean_hue) - 275) / 25) ** 2)))
    rotation = -2 * np.sin(blue) * np.sqrt(mean_chroma**7 / (mean_chroma**7 + 25.0**7))
    return np.sqrt(by_lightness**2 + by_chroma**2 + by_hue**2 + rotation * by_chroma * by_hue)


def differences(rgb: np.ndarray, vision: str) -> np.ndarray:
    """Return how far apart each two of some colours are, (colours, colours); from itself each is infinitely far."""
    seen = lab(rgb, vision)
    found = ciede2000(seen[:, None], seen[None])
    np.fill_diagonal(found, np.inf)
    return found

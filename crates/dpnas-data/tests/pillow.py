"""Prints the golden values of tests/resize.rs: Pillow's antialiased bilinear filter on a 5x4 image of floats.

Made with Pillow 13.0.0 (any version since 2.7 uses this filter): pip install pillow; python pillow.py
"""

from PIL import Image

image = Image.new("F", (5, 4))
image.putdata([(7 * i) % 20 / 20 for i in range(20)])
for size in (2, 3, 8):
    scaled = image.resize((size, size), Image.Resampling.BILINEAR)
    print(size, [round(scaled.getpixel((x, y)), 7) for y in range(size) for x in range(size)])

"""Draw, filter, save and read again in several formats."""

import hashlib
import io

from PIL import Image, ImageDraw, ImageFilter

image = Image.new("RGB", (320, 200), "white")
pen = ImageDraw.Draw(image)
pen.ellipse((50, 50, 250, 150), fill="red", outline="blue", width=5)
pen.text((10, 10), "text", fill="black")
soft = image.filter(ImageFilter.GaussianBlur(3)).rotate(30, expand=True).resize((100, 100))
print(soft.size, hashlib.sha256(soft.tobytes()).hexdigest())
for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"):
    data = io.BytesIO()
    soft.save(data, kind)
    again = Image.open(io.BytesIO(data.getvalue()))
    again.load()
    print(kind, len(data.getvalue()), again.format, again.mode, again.size)
soft.save("soft.png")

#!/usr/bin/env python3
# make.py: writes the other files of this folder with the reference implementations of their formats;
# tests/unit/runtime_files.c reads the files. Needs: pip install numpy safetensors 'pillow<13' (Pillow 13
# resamples the axes in another order).
# SPDX-License-Identifier: Apache-2.0
import os
import numpy as np
from PIL import Image
from safetensors.numpy import save_file

os.chdir(os.path.dirname(os.path.abspath(__file__)))
count = np.arange(6, dtype='f4').reshape(2, 3)
save_file({'dense1.weight': count - 2.5, 'dense1.bias': np.array([0.25, -1], 'f8'),
           'scale1.weight': np.array([1.5, -0.0, 65504, 6e-8], 'f2'),
           'steps': np.array(7, 'i8'), 'nothing': np.zeros((0, 3), 'f4'), 'flags': np.array([True, False]),
           'é "q"': np.array([[[9]]], 'u1')},
          'reference.safetensors', metadata={'format': 'pt'})
np.savez_compressed('compressed.npz', x=count, big=count.astype('>f4'),
                    fortran=np.asfortranarray(count.astype('i2')), names=np.array(['a', 'b']),
                    scalar=np.array(3.5))
np.savez('stored.npz', x=count, y=np.array([1, 0], 'u1'))

rows, columns = np.mgrid[0:23, 0:31]
noise = (rows * 7919 + columns * 104729 + rows * columns * 31) % 97
picture = np.stack([(rows * 11 + noise) % 256, (columns * 8 + noise * 2) % 256,
                    (rows * columns + noise) % 256], -1).astype('u1')
image = Image.fromarray(picture)
image.save('picture.png')
image.resize((13, 9), Image.BILINEAR).save('smaller.png')
image.resize((47, 40), Image.BILINEAR).save('larger.png')
image.resize((13, 40), Image.BILINEAR).save('taller.png')
image.convert('L').save('grey.png')
alpha = np.dstack([picture, (columns * 8 % 256).astype('u1')])
Image.fromarray(alpha).save('alpha.png')
image.quantize(16).save('palette.png', transparency=0)
smooth = Image.fromarray(np.stack([rows * 10, columns * 8, 255 - rows * 5 - columns * 3], -1).astype('u1'))
smooth.save('smooth.jpg', quality=92)
smooth.convert('CMYK').save('inks.jpg', quality=92)
Image.open('smooth.jpg').save('smooth.png')
Image.open('inks.jpg').convert('RGB').save('inks.png')

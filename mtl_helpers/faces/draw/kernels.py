"""The renderer's warp kernels: one source for CPU and CUDA.

Names: a *view* is a camera, a *hit* packs a depth and a triangle's number in one integer whose
minimum is the nearest triangle, *places* are paint coordinates
(`mtl_helpers.faces.scene.appearance`).
"""

# Kernels are written in warp's language, whose arrays, loops and numbers mypy does not know.
# mypy: ignore-errors

from __future__ import annotations

import warp as wp

from mtl_helpers.faces.draw.wardrobe import HAT_BRIM
from mtl_helpers.faces.scene.look import HAIR_STYLES, LookPaint, SkinPaint
from mtl_helpers.faces.scene.paint import (
    CAVITY,
    HAIR,
    HAT,
    LASH,
    LENS,
    above_hairline,
    backdrop,
    complexion,
    hair_thickness,
    paint,
    ramp,
)

BRIM_HEIGHT, BRIM_SLOPE = (wp.constant(number) for number in HAT_BRIM)
CROPPED, SHORT, BOB, LONG = (
    wp.constant(HAIR_STYLES.index(name)) for name in ("cropped", "short", "bob", "long")
)

# The default flags compile for the CPU at hand, whose rounding differs from another's.
wp.set_module_options({"cpu_compiler_flags": "", "enable_backward": False})

# A hit's key is depth * TRIANGLES + triangle, so that one atomic minimum keeps both.
TRIANGLES = wp.constant(wp.int64(1 << 16))
EMPTY = wp.constant(wp.int64((1 << 62) - 1))
# Depths are stored as steps of the inverse distance, counted from the nearest that is drawn:
# inverse distances are linear in the picture, distances are not.
NEAREST, DEPTH_STEPS = wp.constant(1.0 / 8.0), wp.constant(1.5e10)


@wp.struct
class Corners:
    """The triangles of the head, and for each vertex which ones meet there."""

    faces: wp.array2d[int]
    first: wp.array[int]
    face: wp.array[int]


@wp.struct
class Worn:
    """How a look moves the wardrobe's vertices, which stand after the head's ``first`` ones."""

    first: int
    swell: wp.array[wp.vec3]
    drop: wp.array[wp.vec3]
    under_hat: wp.array[float]


@wp.struct
class Surfaces:
    """All that is painted and lit, by vertex and triangle; from ``head_faces`` on it is worn."""

    faces: wp.array2d[int]
    materials: wp.array[int]
    head_faces: int
    normals: wp.array[wp.vec3]
    places: wp.array[wp.vec3]
    lips: wp.array[float]
    ears: wp.array[float]
    tints: wp.array[wp.vec3]
    openness: wp.array[float]


@wp.struct
class Lens:
    """Where the cameras stand, by view; ``scales`` is in samples."""

    axes: wp.array[wp.mat33]
    targets: wp.array[wp.vec3]
    scales: wp.array[float]
    centre: float
    distance: float


@wp.struct
class Sight:
    """What the views see: the nearest hit of each sample, and what painting them needs."""

    nearest: wp.array2d[wp.int64]
    screen: wp.array2d[wp.vec3]
    axes: wp.array[wp.mat33]
    looks: wp.array[LookPaint]
    details: wp.array[float]
    side: int
    supersample: int


@wp.kernel
def vertex_normals(
    points: wp.array[wp.vec3],
    corners: Corners,
    normals: wp.array[wp.vec3],
):
    """Smooth normals: the sum of the area-weighted normals of the faces round a vertex."""
    vertex = wp.tid()
    total = wp.vec3(0.0, 0.0, 0.0)
    for corner in range(corners.first[vertex], corners.first[vertex + 1]):
        face = corners.face[corner]
        a = points[corners.faces[face, 0]]
        total += wp.cross(points[corners.faces[face, 1]] - a, points[corners.faces[face, 2]] - a)
    normals[vertex] = wp.normalize(total)


@wp.kernel
def occlusion(
    mesh: wp.uint64,
    points: wp.array[wp.vec3],
    normals: wp.array[wp.vec3],
    count: int,
    reach: float,
    openness: wp.array[float],
):
    """Share of the hemisphere over each vertex that is free within ``reach``."""
    vertex = wp.tid()
    n = normals[vertex]
    # any axis that is not nearly the normal gives a frame round it
    helper = wp.vec3(1.0, 0.0, 0.0)
    if wp.abs(n[0]) > 0.7:
        helper = wp.vec3(0.0, 1.0, 0.0)
    t = wp.normalize(wp.cross(n, helper))
    b = wp.cross(n, t)
    # a ray that started in the surface would hit the very triangles that it leaves
    start = points[vertex] + n * 0.012
    free = wp.float32(0.0)
    for ray in range(count):
        # a spiral with cosine density: equal shares of the hemisphere's irradiance
        r2 = (float(ray) + 0.5) / float(count)
        r = wp.sqrt(r2)
        angle = 2.399963 * float(ray)  # the golden angle, so that no direction repeats
        d = t * (r * wp.cos(angle)) + b * (r * wp.sin(angle)) + n * wp.sqrt(1.0 - r2)
        if not wp.mesh_query_ray_anyhit(mesh, start, d, reach):
            free += 1.0
    openness[vertex] = free / float(count)


@wp.kernel
def complexions(
    places: wp.array[wp.vec3],
    ears: wp.array[float],
    skin: SkinPaint,
    tints: wp.array[wp.vec3],
):
    """Colour of the bare skin at every vertex, without its fine texture."""
    vertex = wp.tid()
    tints[vertex] = complexion(places[vertex], ears[vertex], skin)


@wp.kernel
def mark_seen(
    sight: Sight,
    faces: wp.array2d[int],
    seen: wp.array[wp.uint8],
):
    """Mark the vertices of every triangle that some sample shows."""
    view, sample = wp.tid()
    key = sight.nearest[view, sample]
    if key == EMPTY:
        return
    face = int(key % TRIANGLES)
    for corner in range(3):
        seen[faces[face, corner]] = wp.uint8(1)


@wp.kernel
def mark_around(
    seen: wp.array[wp.uint8],
    corners: Corners,
    around: wp.array[wp.uint8],
):
    """Mark also the neighbours of the marked vertices."""
    vertex = wp.tid()
    if seen[vertex] != wp.uint8(0):
        around[vertex] = wp.uint8(1)
        for corner in range(corners.first[vertex], corners.first[vertex + 1]):
            face = corners.face[corner]
            for other in range(3):
                around[corners.faces[face, other]] = wp.uint8(1)


@wp.kernel
def soften_shadows(
    hard: wp.array2d[float],
    seen: wp.array[wp.uint8],
    normals: wp.array[wp.vec3],
    directions: wp.array[wp.vec3],
    corners: Corners,
    soft: wp.array2d[float],
):
    """Mean of a marked vertex's shadow and its neighbours' that face the light: a soft edge."""
    vertex = wp.tid()
    if seen[vertex] == wp.uint8(0):
        return
    begin = corners.first[vertex]
    end = corners.first[vertex + 1]
    for light in range(directions.shape[0]):
        own = hard[vertex, light]
        # inner neighbours are met by two triangles each, so the vertex itself counts twice too
        total = 2.0 * own
        count = wp.float32(2.0)
        if wp.dot(normals[vertex], directions[light]) > 0.0:
            for corner in range(begin, end):
                face = corners.face[corner]
                for other in range(3):
                    near = corners.faces[face, other]
                    if near != vertex and wp.dot(normals[near], directions[light]) > 0.0:
                        total = total + hard[near, light]
                        count = count + 1.0
        soft[vertex, light] = total / count


@wp.kernel
def cast_shadows(
    mesh: wp.uint64,
    points: wp.array[wp.vec3],
    normals: wp.array[wp.vec3],
    seen: wp.array[wp.uint8],
    directions: wp.array[wp.vec3],
    hard: wp.array[wp.uint8],
    offset: float,
    lit: wp.array2d[float],
):
    """1 where a marked vertex faces a light and, if the light is hard, nothing stands between."""
    vertex = wp.tid()
    marked = seen[vertex]
    n = normals[vertex]
    for light in range(directions.shape[0]):
        free = wp.float32(0.0)
        if marked != wp.uint8(0):
            d = directions[light]
            if wp.dot(n, d) > 0.0:
                free = wp.float32(1.0)
                if hard[light] != wp.uint8(0) and wp.mesh_query_ray_anyhit(
                    mesh, points[vertex] + n * offset, d, 100.0
                ):
                    free = wp.float32(0.0)
        lit[vertex, light] = free


@wp.kernel
def see_points(
    mesh: wp.uint64,
    points: wp.array[wp.vec3],
    normals: wp.array[wp.vec3],
    ids: wp.array[int],
    eyes: wp.array[wp.vec3],
    offset: float,
    seen: wp.array2d[wp.uint8],
):
    """1 where a vertex is seen from a camera, else 0."""
    view, index = wp.tid()
    vertex = ids[index]
    p = points[vertex]
    away = eyes[view] - p
    distance = wp.length(away)
    d = away / distance
    seen[view, index] = wp.uint8(0)
    # the mid line is seen in profile, where its normals are at right angles to the view
    if wp.dot(normals[vertex], d) <= -0.08:
        return
    start = p + (normals[vertex] + d) * offset
    if not wp.mesh_query_ray_anyhit(mesh, start, d, distance):
        seen[view, index] = wp.uint8(1)


@wp.kernel
def find_surface(
    mesh: wp.uint64,
    origins: wp.array[wp.vec3],
    directions: wp.array[wp.vec3],
    face: wp.array[int],
    weights: wp.array[wp.vec3],
):
    """The first triangle along each ray, -1 if there is none, and the place in it."""
    ray = wp.tid()
    query = wp.mesh_query_ray(mesh, origins[ray], directions[ray], 100.0)
    face[ray] = -1
    if query.result:
        face[ray] = query.face
        weights[ray] = wp.vec3(query.u, query.v, 1.0 - query.u - query.v)


@wp.kernel
def dress(
    points: wp.array[wp.vec3],
    anchors: wp.array2d[int],
    weights: wp.array2d[float],
    offsets: wp.array[wp.vec3],
    first: int,
):
    """Place the wardrobe's vertices, which stand after the head's ``first`` ones."""
    index = wp.tid()
    # offsets do not turn with the anchors: expressions move a hat, they do not tilt it
    p = offsets[index]
    for corner in range(3):
        p = p + points[anchors[index, corner]] * weights[index, corner]
    points[first + index] = p


@wp.func
def below_hat(q: wp.vec3, look: LookPaint) -> float:
    """Share by which a hat presses the short hair at a place on the template to the scalp."""
    if look.hat == 0:
        return 0.0
    return ramp(-0.15, 0.0, q[2] - BRIM_HEIGHT - BRIM_SLOPE * (q[1] + 0.4))


@wp.func
def raised(p: wp.vec3, n: wp.vec3, q: wp.vec3, ear: float, look: LookPaint) -> wp.vec3:
    """A vertex of the head with its short hair; ears lie flat under hair that covers them."""
    out = p
    if ear > 0.0 and (look.hair == BOB or look.hair == LONG):
        # 1.08 is the width of the skull above the ears: what stands out further is pressed in
        beyond = wp.max(wp.abs(q[0]) - 1.08, 0.0) * ear * 0.75
        out = out - wp.vec3(wp.sign(q[0]) * beyond, 0.0, 0.0)
    # above the forehead, or behind the ears down to the nape: nowhere else grows hair of the head
    if q[2] > -1.4 and (q[2] > 0.2 or q[1] > 0.7):
        share = wp.float32(1.0)
        if look.hair == CROPPED:
            share = wp.float32(0.35)
        elif look.hair > SHORT:
            # a sheet of the wardrobe lies over it; this only fills what shows between
            share = wp.float32(0.2)
        share = share * (1.0 - 0.9 * below_hat(q, look))
        out = out + n * (share * hair_thickness(q, ear, look))
    return out


@wp.func
def displaced(
    p: wp.vec3,
    n: wp.vec3,
    swell: wp.vec3,
    drop: wp.vec3,
    under_hat: float,
    t: float,
    look: LookPaint,
) -> wp.vec3:
    """A vertex of the wardrobe as a look wants it: fuller, longer, wavy, under a hat."""
    volume = 0.6 + 2.2 * look.top
    if look.hat > 0:
        volume = volume * (1.0 - 0.85 * under_hat)
    # a nape is drawn negative for long hair, as it is for the painted hairline
    length = 1.0 - 0.5 * look.nape
    out = p + swell * (volume - 1.0) + drop * (length - 1.0)
    if drop[2] < 0.0:
        # only hair that hangs waves, and the more the further it hangs
        bend = wp.min(-drop[2], 1.0) * look.wave * wp.sin(20.0 * t)
        out = out + n * (0.05 * bend)
    return out


@wp.func
def pictured(p: wp.vec3, lens: Lens, view: int) -> wp.vec3:
    """Picture coordinates and inverse depth of a point."""
    c = lens.axes[view] * (p - lens.targets[view])
    inverse = 1.0 / (c[2] + lens.distance)
    scale = lens.scales[view]
    return wp.vec3(
        lens.centre + scale * c[0] * inverse, lens.centre + scale * c[1] * inverse, inverse
    )


@wp.kernel
def project_vertices(
    points: wp.array[wp.vec3],
    normals: wp.array[wp.vec3],
    places: wp.array[wp.vec3],
    ears: wp.array[float],
    lens: Lens,
    looks: wp.array[LookPaint],
    screen: wp.array2d[wp.vec3],
):
    """Picture coordinates and inverse depth of the head's vertices, hair raised."""
    view, vertex = wp.tid()
    p = raised(points[vertex], normals[vertex], places[vertex], ears[vertex], looks[view])
    screen[view, vertex] = pictured(p, lens, view)


@wp.func
def run_place(runs: wp.array3d[int], view: int, slot: int, column: int) -> int:
    """Number of the ``slot``-th element in a view's runs of (first, count), -1 past the end."""
    left = slot
    for run in range(runs.shape[1]):
        count = runs[view, run, column + 1]
        if left < count:
            return runs[view, run, column] + left
        left = left - count
    return -1


@wp.kernel
def project_worn(
    points: wp.array[wp.vec3],
    normals: wp.array[wp.vec3],
    places: wp.array[wp.vec3],
    worn: Worn,
    runs: wp.array3d[int],
    lens: Lens,
    looks: wp.array[LookPaint],
    screen: wp.array2d[wp.vec3],
):
    """Picture coordinates and inverse depth of the vertices that a view's look wears."""
    view, slot = wp.tid()
    index = run_place(runs, view, slot, 0)
    if index < 0:
        return
    vertex = worn.first + index
    p = displaced(
        points[vertex],
        normals[vertex],
        worn.swell[index],
        worn.drop[index],
        worn.under_hat[index],
        places[vertex][2],
        looks[view],
    )
    screen[view, vertex] = pictured(p, lens, view)


@wp.kernel
def stand_solid(
    points: wp.array[wp.vec3],
    normals: wp.array[wp.vec3],
    places: wp.array[wp.vec3],
    worn: Worn,
    begin: int,
    looks: wp.array[LookPaint],
    solid: wp.array[wp.vec3],
):
    """Put a worn part where it stands, so that rays meet it."""
    index = begin + wp.tid()
    vertex = worn.first + index
    solid[vertex] = displaced(
        points[vertex],
        normals[vertex],
        worn.swell[index],
        worn.drop[index],
        worn.under_hat[index],
        places[vertex][2],
        looks[0],
    )


@wp.func
def cut_away(q: wp.vec3, material: int, look: LookPaint) -> bool:
    """Whether a sheet of hair or lashes has a hole here: its end is cut into strands."""
    if material == HAIR:
        # whole near the root, ragged toward the tip, where t is 1
        if q[2] < 0.86:
            return False
        state = wp.uint32(look.pattern)
        strand = wp.noise(state, wp.vec3(q[0] * 24.0, q[1] * 24.0, 0.5))
        return q[2] > 0.955 + 0.13 * strand
    if material == LASH:
        state = wp.uint32(look.pattern)
        strand = wp.noise(state, wp.vec3(q[0] * 40.0, q[1] * 5.0, 0.5))
        if q[1] > 1.5:  # the lower lid's are sparse
            return strand < 0.18 or q[2] > 0.3 + strand
        return q[2] > 0.42 + 1.1 * strand
    return False


@wp.func
def first_sample(low: float) -> int:
    """The first sample in the picture whose centre is not before ``low``."""
    return wp.max(int(wp.ceil(low - 0.5)), 0)


@wp.func
def last_sample(high: float, size: int) -> int:
    """The last sample in the picture whose centre is not beyond ``high``."""
    return wp.min(int(wp.floor(high - 0.5)), size - 1)


@wp.func
def doubled_area(a: wp.vec3, b: wp.vec3, c: wp.vec3) -> float:
    """Twice the signed area of a projected triangle, positive if it faces the camera."""
    # y points down, so triangles that face the camera are clockwise in the picture
    return (c[0] - a[0]) * (b[1] - a[1]) - (b[0] - a[0]) * (c[1] - a[1])


@wp.func
def opposite(b: wp.vec3, c: wp.vec3, px: float, py: float) -> float:
    """Twice the signed area between a picture point and an edge: the far corner's share."""
    return (c[0] - px) * (b[1] - py) - (b[0] - px) * (c[1] - py)


@wp.func
def hit_key(inverse: float, face: int) -> wp.int64:
    """Pack an inverse depth and a triangle; of two keys the smaller is nearer."""
    return wp.int64((NEAREST - inverse) * DEPTH_STEPS) * TRIANGLES + wp.int64(face)


@wp.kernel
def rasterise(
    screen: wp.array2d[wp.vec3],
    faces: wp.array2d[int],
    size: int,
    hits: wp.array2d[wp.int64],
):
    """Keep, at each sample that a triangle covers, the nearest depth and its triangle."""
    view, face = wp.tid()
    a = screen[view, faces[face, 0]]
    b = screen[view, faces[face, 1]]
    c = screen[view, faces[face, 2]]
    area = doubled_area(a, b, c)
    if area <= 0.0:
        return
    x0 = first_sample(wp.min(wp.min(a[0], b[0]), c[0]))
    x1 = last_sample(wp.max(wp.max(a[0], b[0]), c[0]), size)
    y0 = first_sample(wp.min(wp.min(a[1], b[1]), c[1]))
    y1 = last_sample(wp.max(wp.max(a[1], b[1]), c[1]), size)
    scale = 1.0 / area
    for y in range(y0, y1 + 1):
        py = float(y) + 0.5
        for x in range(x0, x1 + 1):
            px = float(x) + 0.5
            u = opposite(b, c, px, py) * scale
            v = opposite(c, a, px, py) * scale
            w = 1.0 - u - v
            # the tolerance closes the cracks that rounding leaves between neighbours
            if u >= -1.0e-5 and v >= -1.0e-5 and w >= -1.0e-5:
                key = hit_key(u * a[2] + v * b[2] + w * c[2], face)
                wp.atomic_min(hits, view, y * size + x, key)


@wp.kernel
def rasterise_worn(
    screen: wp.array2d[wp.vec3],
    surfaces: Surfaces,
    looks: wp.array[LookPaint],
    runs: wp.array3d[int],
    size: int,
    hits: wp.array2d[wp.int64],
):
    """As `rasterise`, for the triangles that a view's look wears; these show both their sides."""
    view, slot = wp.tid()
    index = run_place(runs, view, slot, 2)
    if index < 0:
        return
    face = surfaces.head_faces + index
    i = surfaces.faces[face, 0]
    j = surfaces.faces[face, 1]
    k = surfaces.faces[face, 2]
    a = screen[view, i]
    b = screen[view, j]
    c = screen[view, k]
    area = doubled_area(a, b, c)
    if area == 0.0:
        return
    x0 = first_sample(wp.min(wp.min(a[0], b[0]), c[0]))
    x1 = last_sample(wp.max(wp.max(a[0], b[0]), c[0]), size)
    y0 = first_sample(wp.min(wp.min(a[1], b[1]), c[1]))
    y1 = last_sample(wp.max(wp.max(a[1], b[1]), c[1]), size)
    scale = 1.0 / area
    for y in range(y0, y1 + 1):
        py = float(y) + 0.5
        for x in range(x0, x1 + 1):
            px = float(x) + 0.5
            u = opposite(b, c, px, py) * scale
            v = opposite(c, a, px, py) * scale
            w = 1.0 - u - v
            if u >= -1.0e-5 and v >= -1.0e-5 and w >= -1.0e-5:
                q = surfaces.places[i] * u + surfaces.places[j] * v + surfaces.places[k] * w
                if not cut_away(q, surfaces.materials[face], looks[view]):
                    key = hit_key(u * a[2] + v * b[2] + w * c[2], face)
                    wp.atomic_min(hits, view, y * size + x, key)


@wp.func
def hides(material: int) -> bool:
    """Whether nothing is seen through a material of the wardrobe."""
    if material == HAIR:
        return True
    if material == HAT:
        return True
    return material == LENS


@wp.kernel
def uncover_points(
    sight: Sight,
    surfaces: Surfaces,
    ids: wp.array[int],
    slack: float,
    seen: wp.array2d[wp.uint8],
):
    """Take from the seen vertices those that hair, a hat or a dark lens covers."""
    view, index = wp.tid()
    vertex = ids[index]
    q = surfaces.places[vertex]
    # hair that is painted on the skin has no triangle that a ray could meet
    if q[1] < 0.6 and above_hairline(q, sight.looks[view]) > 0.03:
        seen[view, index] = wp.uint8(0)
    size = sight.side * sight.supersample
    s = sight.screen[view, vertex]
    x = int(wp.floor(s[0]))
    y = int(wp.floor(s[1]))
    if x < 0 or y < 0 or x >= size or y >= size:
        return
    key = sight.nearest[view, y * size + x]
    if key == EMPTY:
        return
    face = int(key % TRIANGLES)
    if face < surfaces.head_faces:
        return
    inverse = NEAREST - float(key / TRIANGLES) / DEPTH_STEPS
    if hides(surfaces.materials[face]) and 1.0 / inverse < 1.0 / s[2] - slack:
        seen[view, index] = wp.uint8(0)


@wp.func
def weights_at(a: wp.vec3, b: wp.vec3, c: wp.vec3, px: float, py: float) -> wp.vec3:
    """Perspective-correct barycentric weights of a picture point in a projected triangle."""
    area = doubled_area(a, b, c)
    u = opposite(b, c, px, py) / area
    v = opposite(c, a, px, py) / area
    # what is linear on the triangle is linear in the picture only after division by depth
    weights = wp.vec3(u * a[2], v * b[2], (1.0 - u - v) * c[2])
    return weights / (weights[0] + weights[1] + weights[2])


@wp.func
def mixed(values: wp.array[float], i: int, j: int, k: int, w: wp.vec3) -> float:
    """A number inside a triangle, from its three vertices."""
    return values[i] * w[0] + values[j] * w[1] + values[k] * w[2]


@wp.func
def mixed_vector(values: wp.array[wp.vec3], i: int, j: int, k: int, w: wp.vec3) -> wp.vec3:
    """A vector inside a triangle, from its three vertices."""
    return values[i] * w[0] + values[j] * w[1] + values[k] * w[2]


@wp.kernel
def shade_hits(
    sight: Sight,
    surfaces: Surfaces,
    skin: SkinPaint,
    lit: wp.array2d[float],
    directions: wp.array[wp.vec3],
    halves: wp.array2d[wp.vec3],
    linear: wp.array3d[wp.vec3],
):
    """Paint every sample and add its light to its pixel's buffers."""
    view, pixel = wp.tid()
    side = sight.side
    supersample = sight.supersample
    row = pixel // side
    column = pixel - row * side
    size = side * supersample
    lights = directions.shape[0]
    share = 1.0 / float(supersample * supersample)
    look = sight.looks[view]
    # A struct's array is copied where it is used, so those of the inner loops are named here.
    nearest = sight.nearest
    screen = sight.screen
    faces = surfaces.faces
    normals = surfaces.normals
    places = surfaces.places
    materials = surfaces.materials
    lips = surfaces.lips
    ears = surfaces.ears
    tints = surfaces.tints
    openness = surfaces.openness
    for light in range(lights + 1):
        linear[view, pixel, light] = wp.vec3(0.0, 0.0, 0.0)
    for sample in range(supersample * supersample):
        y = row * supersample + sample // supersample
        x = column * supersample + sample % supersample
        key = nearest[view, y * size + x]
        if key == EMPTY:
            # the room is lit as the head is, but no flash's direction shows on the wall
            across = (float(x) + 0.5) / float(size)
            wall = backdrop(across, (float(y) + 0.5) / float(size), look) * share
            for light in range(lights + 1):
                linear[view, pixel, light] = linear[view, pixel, light] + wall
        else:
            face = int(key % TRIANGLES)
            i = faces[face, 0]
            j = faces[face, 1]
            k = faces[face, 2]
            w = weights_at(
                screen[view, i], screen[view, j], screen[view, k], float(x) + 0.5, float(y) + 0.5
            )
            n = wp.normalize(mixed_vector(normals, i, j, k, w))
            surface = paint(
                mixed_vector(places, i, j, k, w),
                materials[face],
                mixed(lips, i, j, k, w),
                mixed(ears, i, j, k, w),
                mixed_vector(tints, i, j, k, w),
                skin,
                look,
                sight.details[view],
            )
            albedo = surface.albedo * share
            gloss = surface.gloss * share
            if face >= surfaces.head_faces:
                axes = sight.axes[view]
                forward = wp.vec3(axes[2, 0], axes[2, 1], axes[2, 2])
                if wp.dot(n, forward) > 0.1:
                    # the inner side of a sheet, which little light reaches
                    n = -n
                    albedo = albedo * 0.45
                    gloss = 0.0
            open_floor = wp.float32(0.0)
            if materials[face] == CAVITY:
                # the flesh round the eyes is thin and moist: light comes through the lids
                open_floor = wp.float32(0.5)
            open_sky = mixed(openness, i, j, k, w)
            # a room is brighter above than below
            sky = open_sky * (0.7 + 0.3 * n[2])
            linear[view, pixel, 0] = linear[view, pixel, 0] + albedo * sky
            for light in range(lights):
                d = directions[light]
                cosine = wp.dot(n, d)
                cosine = wp.max(cosine, open_floor)
                if cosine > 0.0:
                    # shadows are baked at vertices, for all cameras at once
                    free = lit[i, light] * w[0] + lit[j, light] * w[1] + lit[k, light] * w[2]
                    free = wp.max(free, open_floor)
                    if free > 0.0:
                        glint = wp.float32(0.0)
                        if gloss > 0.0:
                            # Blinn's highlight: the 16th power by squaring, much faster than a
                            # power function; seven squarings more make the glint of an eye
                            glint = wp.max(wp.dot(n, halves[view, light]), 0.0)
                            glint = glint * glint
                            glint = glint * glint
                            glint = glint * glint
                            glint = glint * glint
                            if surface.shininess > 1:
                                for _ in range(7):
                                    glint = glint * glint
                            glint = gloss * glint
                        linear[view, pixel, light + 1] = linear[view, pixel, light + 1] + free * (
                            albedo * cosine + wp.vec3(glint, glint, glint)
                        )


@wp.func
def tone(x: float, exposure: float, power: float) -> float:
    """The tone curve: linear radiance to grey levels."""
    return 255.0 * wp.pow(1.0 - wp.exp(-exposure * x), power)


@wp.func
def level(value: float) -> wp.uint8:
    """Round and clamp to a byte."""
    return wp.uint8(wp.clamp(value + 0.5, 0.0, 255.0))


@wp.kernel
def develop_shots(
    linear: wp.array3d[wp.vec3],
    flash_buffer: wp.array[int],
    flash: wp.array[float],
    ambient: wp.array[float],
    exposure: float,
    power: float,
    noise: float,
    noise_seeds: wp.array2d[wp.uint32],
    images: wp.array4d[wp.uint8],
):
    """Sum each shot's lights, apply the tone curve, add the sensor's noise."""
    view, shot, pixel = wp.tid()
    x = linear[view, pixel, 0] * ambient[shot]
    buffer = flash_buffer[shot]
    if buffer > 0:
        x = x + linear[view, pixel, buffer] * flash[shot]
    grain = wp.float32(0.0)
    if noise > 0.0:
        # the sum of two uniform halves has a triangular density of variance 1/6
        bits = wp.rand_init(int(noise_seeds[view, shot]), pixel)
        halves = float(bits & wp.uint32(65535)) + float(bits >> wp.uint32(16))
        grain = noise * 2.4494897 * (halves / 65535.0 - 1.0)
    if images.shape[3] == 1:
        grey = 0.2126 * x[0] + 0.7152 * x[1] + 0.0722 * x[2]
        images[view, shot, pixel, 0] = level(tone(grey, exposure, power) + grain)
    else:
        for channel in range(3):
            images[view, shot, pixel, channel] = level(tone(x[channel], exposure, power) + grain)


@wp.kernel
def inspect_hits(
    sight: Sight,
    surfaces: Surfaces,
    skin: SkinPaint,
    backdrop: int,
    triangle: wp.array2d[int],
    material: wp.array2d[int],
    depth: wp.array2d[float],
    normal: wp.array2d[wp.vec3],
):
    """Write the hit record of every sample."""
    view, pixel = wp.tid()
    key = sight.nearest[view, pixel]
    if key == EMPTY:
        triangle[view, pixel] = -1
        material[view, pixel] = backdrop
        depth[view, pixel] = wp.inf
        normal[view, pixel] = wp.vec3(0.0, 0.0, 0.0)
        return
    face = int(key % TRIANGLES)
    i = surfaces.faces[face, 0]
    j = surfaces.faces[face, 1]
    k = surfaces.faces[face, 2]
    size = sight.side * sight.supersample
    y = pixel // size
    x = pixel - y * size
    a = sight.screen[view, i]
    b = sight.screen[view, j]
    c = sight.screen[view, k]
    w = weights_at(a, b, c, float(x) + 0.5, float(y) + 0.5)
    surface = paint(
        mixed_vector(surfaces.places, i, j, k, w),
        surfaces.materials[face],
        mixed(surfaces.lips, i, j, k, w),
        mixed(surfaces.ears, i, j, k, w),
        mixed_vector(surfaces.tints, i, j, k, w),
        skin,
        sight.looks[view],
        sight.details[view],
    )
    triangle[view, pixel] = face
    material[view, pixel] = surface.material
    depth[view, pixel] = w[0] / a[2] + w[1] / b[2] + w[2] / c[2]
    normal[view, pixel] = wp.normalize(mixed_vector(surfaces.normals, i, j, k, w))

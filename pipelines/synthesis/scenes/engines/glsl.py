"""The programs that engine `gl` runs: one draws samples, one makes pixels of them, one fills outlines, one numbers
faces.

Samples lie as `scene.sampling` says, the pixel centre among them.
"""

from pipelines.synthesis.scenes.scene import GLOSS

# Vectors are in camera space. The part rides on u, as attributes cost more than sums: u' = 2 part + 1/2 + u.
VERTEX = """
#version 330
uniform mat4 clip;
uniform mat4 camera;
in vec3 in_position; in vec3 in_normal; in vec2 in_uv;
out vec4 position_u; out vec4 normal_v;
void main() {
    position_u = vec4((camera * vec4(in_position, 1.0)).xyz, in_uv.x);
    normal_v = vec4(mat3(camera) * in_normal, in_uv.y);
    gl_Position = clip * vec4(in_position, 1.0);
}
"""

# Squares and a root stand for gamma 2, products for the power 24 of the gloss: `pow` is a fifth of the time on a CPU.
SAMPLES = f"""
#version 330
uniform sampler2D image;
uniform vec3 direction; uniform vec3 halfway; uniform vec3 up;
uniform vec3 key; uniform vec3 fill; uniform vec3 sky; uniform vec3 ground;
in vec4 position_u; in vec4 normal_v;
layout(location = 0) out vec4 colour;
layout(location = 1) out vec4 geometry;
void main() {{
    vec3 n = normalize(normal_v.xyz);
    n = dot(n, position_u.xyz) > 0.0 ? -n : n;
    float part = floor(0.5 * position_u.w);
    vec3 albedo = texture(image, vec2(position_u.w - 2.0 * part - 0.5, normal_v.w)).rgb;
    float gloss = max(0.0, dot(n, halfway));
    gloss *= gloss * gloss;
    gloss *= gloss; gloss *= gloss; gloss *= gloss;
    vec3 light = mix(ground, sky, 0.5 + 0.5 * dot(n, up)) + key * max(0.0, dot(n, direction)) + fill * max(0.0, -n.z);
    vec3 linear = albedo * albedo * light + key * ({GLOSS} * gloss);
    colour = vec4(sqrt(clamp(linear, 0.0, 1.0)), part / 255.0);
    geometry = vec4(n, position_u.z);
}}
"""

CORNERS = """
#version 330
in vec2 in_corner;
void main() { gl_Position = vec4(in_corner, 0.0, 1.0); }
"""

_SAMPLE = """
#version 330
uniform ivec2 origin;
uniform int size;
uniform ivec2 first;
uniform sampler2D samples;
ivec2 middle(ivec2 p) { return ivec2(2 * p.x + p.y + 1, 2 * p.y - p.x + size) - first; }
"""

PIXELS = (
    _SAMPLE
    + """
uniform sampler2D shapes;
uniform sampler2D background;
layout(location = 0) out vec4 colour;
layout(location = 1) out vec4 geometry;
vec3 over(vec4 drawn, vec3 behind) { return drawn.a > 0.0 ? drawn.rgb : behind; }
vec3 beside(ivec2 at, int x, int y, vec3 behind) { return over(texelFetch(samples, at + ivec2(x, y), 0), behind); }
void main() {
    ivec2 p = ivec2(gl_FragCoord.xy) + origin, at = middle(p);
    vec3 behind = texelFetch(background, ivec2(gl_FragCoord.xy), 0).rgb;
    vec4 centre = texelFetch(samples, at, 0);
    vec3 total = over(centre, behind) + beside(at, 1, 0, behind) + beside(at, -1, 0, behind)
        + beside(at, 0, 1, behind) + beside(at, 0, -1, behind);
    colour = vec4(0.2 * total, centre.a);
    geometry = centre.a > 0.0 ? texelFetch(shapes, at, 0) : vec4(0.0);
}
"""
)

OUTLINE = """
#version 330
uniform mat4 clip;
in vec3 in_position;
void main() { gl_Position = clip * vec4(in_position, 1.0); }
"""

FILL = """
#version 330
out vec4 colour;
void main() { colour = vec4(1.0); }
"""

# Plus one, as 0 is none; a float holds numbers up to 2^24.
FACES = """
#version 330
out float face;
void main() { face = float(gl_PrimitiveID + 1); }
"""

COVERAGE = (
    _SAMPLE
    + """
out vec4 share;
void main() {
    ivec2 at = middle(ivec2(gl_FragCoord.xy) + origin);
    float count = texelFetch(samples, at, 0).a + texelFetch(samples, at + ivec2(1, 0), 0).a
        + texelFetch(samples, at - ivec2(1, 0), 0).a + texelFetch(samples, at + ivec2(0, 1), 0).a
        + texelFetch(samples, at - ivec2(0, 1), 0).a;
    share = vec4(count / 5.0);
}
"""
)

{
  description = "A service with shells for development, tests and lint";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-25.05";

  outputs = { self, nixpkgs }:
    let
      systems = [ "x86_64-linux" "aarch64-linux" "x86_64-darwin" "aarch64-darwin" ];
      forAllSystems = nixpkgs.lib.genAttrs systems;
    in
    {
      devShells = forAllSystems (system:
        let
          pkgs = import nixpkgs { inherit system; };
          python = pkgs.python311.withPackages (ps: with ps; [ fastapi uvicorn ]);
          pythonForTests = pkgs.python311.withPackages (ps: with ps; [
            fastapi uvicorn pytest httpx
          ]);
          hook = ''
            export SERVICE_ROOT="$PWD"
            export SERVICE_CONFIG="$SERVICE_ROOT/config/dev.toml"
            export DATABASE_URL="''${DATABASE_URL:-postgres://localhost/service}"
            export PATH="$PWD/scripts:$PATH"
            alias serve="uvicorn app:app --reload"
          '';
        in
        {
          default = pkgs.mkShell {
            packages = [ python pkgs.just pkgs.ruff ];
            shellHook = hook + ''
              echo "service: just --list"
            '';
          };
          test = pkgs.mkShell {
            packages = [ pythonForTests pkgs.just pkgs.ruff ];
            shellHook = hook + ''
              export SERVICE_CONFIG="$SERVICE_ROOT/config/test.toml"
            '';
          };
          lint = pkgs.mkShell {
            packages = [ pkgs.ruff pkgs.shellcheck pkgs.taplo ];
          };
        });
    };
}
